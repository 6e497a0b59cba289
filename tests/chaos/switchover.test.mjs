// The roles of the pair are changed on purpose, under load: payments are held for a moment and no
// request fails; and when the pair is not well, nothing is done.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Platform } from '../support/platform.mjs';
import { openShop } from '../support/load.mjs';
import { signal, withChildren } from '../support/processes.mjs';
import { settle } from '../support/witnesses.mjs';

const slowdown = Number(process.env.TEST_SLOWDOWN ?? 3); // sanitizers and a busy machine
const stallMaxMs = 1_000 * slowdown;

/// The longest time in which nobody paid, measured until stop() is called.
function standstills(shop) {
  let longest = 0;
  let since = Date.now();
  let paid = 0;
  const timer = setInterval(() => {
    if (shop.paid > paid) since = Date.now();
    paid = shop.paid;
    longest = Math.max(longest, Date.now() - since);
  }, 20);
  return () => (clearInterval(timer), longest);
}

test('a switchover under load, there and back', { timeout: 600_000 }, async () => {
  const platform = await Platform.start({ instances: 2 });
  try {
    const shop = openShop(platform, { buyers: 8 });
    for (const expected of ['b', 'a']) {
      await pause(2_000);
      const { epoch } = platform.pair();
      const longest = standstills(shop);
      const { code, out, err } = await platform.command('switchover');
      assert.equal(code, 0, err);
      await pause(500);
      console.log(`# ${out.trim().replace('\n', '; ')}; payments stood still for ${longest()} ms`);
      assert.match(out, new RegExp(`^node ${expected} is the primary`));
      assert.deepEqual(platform.pair(), {
        primary: expected,
        epoch: epoch + 1,
        promotable: true,
      });
      assert.ok(longest() < stallMaxMs);
    }
    const { succeeded } = await settle(platform, shop);
    const answers = [...shop.purchases.values()].flatMap((purchase) => purchase.answers);
    assert.deepEqual(
      answers.filter((status) => ![200, 402].includes(status)),
      [],
      'no request fails',
    );
    assert.ok(succeeded > 100);

    const standby = platform.services().find((service) => service.name === 'postgres-b');
    signal(withChildren(standby.pid), 'SIGSTOP');
    await pause(1_500);
    const before = platform.pair();
    const refused = await platform.command('switchover');
    signal(withChildren(standby.pid), 'SIGCONT');
    assert.equal(refused.code, 1);
    assert.match(refused.err, /nothing was done: the standby does not/);
    assert.equal(platform.pair().primary, before.primary);
    assert.equal(platform.pair().epoch, before.epoch);
    await platform.stop();
    const late = await platform.command('switchover');
    assert.equal(late.code, 1);
    assert.match(late.err, /the primary does not answer; nothing was done/);
  } finally {
    await platform.end();
  }
});

// The primary or the standby of the embedded pair is lost under load: payments go on within
// seconds on whoever is left, the other one comes back by itself, and nothing is lost or doubled.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Platform } from '../support/platform.mjs';
import { Shop, seeded } from '../support/load.mjs';
import { settle } from '../support/witnesses.mjs';

const slowdown = Number(process.env.TEST_SLOWDOWN ?? 3); // sanitizers and a busy machine
const stallMaxMs = 3_000 * slowdown;
const frozenMaxMs = stallMaxMs + 3_000; // so long it may be silent before it counts as lost
const rejoinPatienceMs = 60_000;

/// How the pair is: { primary, epoch, promotable }.
const pairOf = (platform) =>
  JSON.parse(readFileSync(join(platform.directory, 'data', 'cluster.json'), 'utf8'));

const nodeOf = (platform, name) =>
  platform.services().find((service) => service.name === `postgres-${name}`).pid;

/// Stops a server with all its processes, as a machine that hangs.
function freeze(pid) {
  const found = spawnSync('ps', ['--ppid', String(pid), '-o', 'pid='], { encoding: 'utf8' });
  for (const each of [pid, ...found.stdout.trim().split(/\s+/).map(Number)])
    process.kill(each, 'SIGSTOP');
}

async function until(what, condition, patienceMs) {
  const started = Date.now();
  while (!condition()) {
    assert.ok(Date.now() - started < patienceMs, `${what} within ${patienceMs} ms`);
    await pause(20);
  }
  return Date.now() - started;
}

/// What is lost, who is the primary afterwards, how long payments may stand still.
const losses = [
  { what: 'primary killed', pick: 'primary', how: (pid) => process.kill(pid, 'SIGKILL') },
  { what: 'primary killed again', pick: 'primary', how: (pid) => process.kill(pid, 'SIGKILL') },
  { what: 'standby killed', pick: 'standby', how: (pid) => process.kill(pid, 'SIGKILL') },
  { what: 'primary frozen', pick: 'primary', how: freeze, maxMs: frozenMaxMs },
];

test('losing a node of the pair under load', { timeout: 900_000 }, async () => {
  const platform = await Platform.start({ instances: 2 });
  try {
    const shop = new Shop({
      where: () => platform.ready.api_base,
      key: platform.ready.secret_key,
      random: seeded(1),
      buyers: 8,
    });
    shop.start();
    const paid = () => [...shop.purchases.values()].filter((purchase) => purchase.payment).length;
    for (const { what, pick, how, maxMs = stallMaxMs } of losses) {
      await until('in sync', () => pairOf(platform).promotable, rejoinPatienceMs);
      const before = pairOf(platform);
      const lost = pick === 'primary' ? before.primary : { a: 'b', b: 'a' }[before.primary];
      const count = paid();
      how(nodeOf(platform, lost));
      // As many as are under way may have been committed before.
      const stalled = await until(what, () => paid() > count + shop.buyers, maxMs);
      const after = pairOf(platform);
      if (pick === 'primary') {
        assert.notEqual(after.primary, before.primary, what);
        assert.equal(after.epoch, before.epoch + 1, what);
      } else {
        assert.equal(after.primary, before.primary, what);
      }
      const back = await until('back', () => pairOf(platform).promotable, rejoinPatienceMs);
      console.log(`# ${what}: payments again after ${stalled} ms, in sync after ${back} ms more`);
    }
    const { succeeded } = await settle(platform, shop);
    assert.ok(succeeded > 0);
  } finally {
    await platform.end();
  }
});

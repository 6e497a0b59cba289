// The whole database is gone under load, both nodes of it: payments are held, then decided with the
// issuer's real word, and when it is back they are settled; nothing is lost or doubled.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Platform } from '../support/platform.mjs';
import { openShop, seeded } from '../support/load.mjs';
import { signal, withChildren } from '../support/processes.mjs';
import { settle } from '../support/witnesses.mjs';

const goneMs = 20_000;

test('payments go on while the whole database is gone', { timeout: 300_000 }, async () => {
  const platform = await Platform.start();
  try {
    const shop = openShop(platform, {
      buyers: 8,
      declined: 0.5, // an answer that shows more than the payment
    });
    await pause(2_000);
    const nodes = platform.services().filter((service) => service.name.startsWith('postgres-'));
    assert.equal(nodes.length, 2);
    const before = shop.purchases.size;
    for (const node of nodes) signal(withChildren(node.pid), 'SIGSTOP');
    await pause(goneMs);
    const during = [...shop.purchases.values()].slice(before);
    for (const node of nodes) signal(withChildren(node.pid), 'SIGCONT');
    const answered = during.filter((purchase) => purchase.payment || purchase.declined);
    const standIn = answered.filter((purchase) => purchase.status === 'processing');
    console.log(`# ${answered.length} answered without the database, ${standIn.length} approved`);
    assert.ok(standIn.length > 10, 'approved by their issuer without the database');
    assert.ok(
      answered.length - standIn.length > 0,
      'and some declined by theirs',
    );
    await pause(2_000);
    const { succeeded } = await settle(platform, shop);
    // 409: the same key twice at once, which this shop sends on purpose.
    const refused = [...shop.purchases.values()].flatMap((purchase) =>
      purchase.answers.filter((status) => ![200, 402, 409].includes(status)),
    );
    const unanswered = [...shop.purchases.values()].map((purchase) => purchase.unanswered);
    assert.deepEqual(refused, [], `nobody was refused; ${unanswered.filter(Boolean).join(', ')}`);
    assert.ok(succeeded > standIn.length);
    const attempts = await platform.command('attempts', '--json');
    const kept = attempts.out.split('\n').filter((line) => line.includes('"processing"'));
    assert.ok(kept.length >= standIn.length, 'they are on record');
  } finally {
    await platform.end();
  }
});

test('what a process has left is settled by another one', { timeout: 300_000 }, async () => {
  const platform = await Platform.start({ instances: 2 });
  try {
    const shop = openShop(platform, { random: seeded(2), buyers: 8 });
    await pause(2_000);
    const services = platform.services();
    const pidsOf = (prefix) => {
      const found = services.filter(({ name }) => name.startsWith(prefix));
      return found.flatMap(({ pid }) => withChildren(pid));
    };
    signal(pidsOf('postgres-'), 'SIGSTOP');
    await pause(12_000);
    await shop.stop();
    const processing = [...shop.purchases.values()].filter((p) => p.status === 'processing');
    assert.ok(processing.length > 10);
    // The machine dies; afterwards there is one instance less.
    await platform.killSupervisor();
    signal([...pidsOf('pay-'), ...pidsOf('background'), ...pidsOf('postgres-')], 'SIGKILL');
    const logs = () => readdirSync(join(platform.directory, 'data', 'command-log'));
    assert.deepEqual(logs().sort(), ['pay-1', 'pay-2']);
    platform.args.splice(platform.args.indexOf('--instances') + 1, 1, '1');
    await platform.launch();
    const { succeeded } = await settle(platform, shop);
    assert.ok(succeeded >= processing.length);
  } finally {
    await platform.end();
  }
});

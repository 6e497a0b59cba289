// Starting, stopping and telling the truth: readiness, restarts on the same data, what a killed
// supervisor leaves, --fresh, a second `up` on one directory.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import Stripe from 'stripe';
import { Platform } from '../support/platform.mjs';
import { alive, signal, withChildren } from '../support/processes.mjs';

const secondStartMaxMs = 5_000;
const slowdown = Number(process.env.TEST_SLOWDOWN ?? 3); // sanitizers and a busy machine

const order = { amount: 1099, currency: 'usd', payment_method: 'pm_card_visa', confirm: true };

async function until(what, condition, patienceMs) {
  const started = Date.now();
  while (!(await condition())) {
    assert.ok(Date.now() - started < patienceMs, `${what} within ${patienceMs} ms`);
    await pause(20);
  }
  return Date.now() - started;
}

test('readiness tells the truth, and the platform starts again', { timeout: 600_000 }, async () => {
  const platform = await Platform.start();
  try {
    const stripe = () =>
      new Stripe(platform.ready.secret_key, platform.stripeOptions({ maxNetworkRetries: 0 }));
    const first = await stripe().paymentIntents.create(order);
    for (const node of ['postgres-a', 'postgres-b']) {
      const log = readdirSync(`${platform.directory}/data/${node}/pg_wal`);
      assert.ok(log.length > 30, `${node} has its log's next segments (${log.length})`);
    }
    const status = async (path) =>
      (await platform.raw('GET', path, { key: null }).catch(() => ({ status: 0 }))).status;

    const primary = platform.services().find((s) => s.name === 'postgres-a');
    const processes = withChildren(primary.pid);
    signal(processes, 'SIGSTOP');
    await until('not ready', async () => (await status('/readyz')) === 503, 1_000 * slowdown);
    assert.equal(await status('/livez'), 200);
    signal(processes, 'SIGCONT');
    await until('ready again', async () => (await status('/readyz')) === 200, 5_000 * slowdown);
    assert.equal((await stripe().paymentIntents.create(order)).status, 'succeeded');

    const lock = await platform.command('up', '--port', '0', ...platform.allowed);
    assert.equal(lock.code, 1);
    assert.match(lock.err, /another `holdfast up`/);

    await platform.restart();
    assert.ok(
      platform.startedInMs < secondStartMaxMs * slowdown,
      `second start took ${platform.startedInMs} ms`,
    );
    assert.equal((await stripe().paymentIntents.retrieve(first.id)).status, 'succeeded');

    for (const writtenDown of [true, false]) {
      const left = platform.services().map((s) => s.pid);
      await platform.killSupervisor();
      if (!writtenDown) writeFileSync(`${platform.directory}/data/supervisor.json`, '[]');
      await platform.launch(); // ends what is left, then starts
      for (const pid of left) assert.ok(!alive(pid), `process ${pid} is still there`);
      assert.equal((await stripe().paymentIntents.retrieve(first.id)).status, 'succeeded');
    }

    const key = platform.ready.secret_key;
    await platform.stop();
    platform.args.push('--fresh');
    await platform.launch();
    assert.notEqual(platform.ready.secret_key, key);
    assert.equal((await stripe().paymentIntents.list()).data.length, 0);
  } finally {
    await platform.end();
  }
});

test('files with secrets are for their owner only', { timeout: 300_000 }, async () => {
  const platform = await Platform.start();
  try {
    const open = spawnSync(
      'find',
      [`${platform.directory}/data/secrets`, '-type', 'f', '-perm', '/077'],
      { encoding: 'utf8' },
    );
    assert.equal(open.stdout, '');
    for (const name of ['pay-1', 'acquirer', 'supervisor', 'background']) {
      const log = readFileSync(`${platform.directory}/data/log/${name}.log`, 'utf8');
      assert.ok(!log.includes(platform.ready.secret_key), `${name} logs a key`);
    }
  } finally {
    await platform.end();
  }
});

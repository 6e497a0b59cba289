// The primary or the standby of the embedded pair is lost under load: payments go on within
// seconds on whoever is left, the other one comes back by itself, and nothing is lost or doubled.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Platform } from '../support/platform.mjs';
import { openShop } from '../support/load.mjs';
import { alive, childrenOf, signal, withChildren } from '../support/processes.mjs';
import { settle } from '../support/witnesses.mjs';

const slow = process.env.TEST_SLOW === '1';
const slowdown = Number(process.env.TEST_SLOWDOWN ?? 3); // sanitizers and a busy machine
const stallMaxMs = 3_000 * slowdown;
const frozenMaxMs = stallMaxMs + 3_000; // so long it may be silent before it counts as lost
const givenUpMaxMs = 4_000 + 1_000 * slowdown; // a standby; 2 s of silence
// pg_rewind copies the log ahead too, half a gigabyte: 40 s on a disk that others use.
const rejoinPatienceMs = 300_000;

const stateFile = (platform) => join(platform.directory, 'data', 'cluster.json');
const standbyOf = (platform) => ({ a: 'b', b: 'a' })[platform.pair().primary];

const nodeOf = (platform, name) =>
  platform.services().find((service) => service.name === `postgres-${name}`)?.pid;

/// Stops a server with all its processes, as a machine that hangs.
function freeze(pid) {
  signal(withChildren(pid), 'SIGSTOP');
}

/// The postmaster dies, and its backends, which are stopped, don't notice.
function killStopped(pid) {
  const backends = childrenOf(pid);
  signal(backends, 'SIGSTOP');
  signal([pid], 'SIGKILL');
  return { after: () => backends.filter(alive) };
}

/// The node can't start for a while.
function breakStandby(pid, directory) {
  const control = join(directory, 'global', 'pg_control');
  renameSync(control, `${control}.away`);
  signal([pid], 'SIGKILL');
  return { mend: () => renameSync(`${control}.away`, control) };
}

async function until(what, condition, patienceMs) {
  const started = Date.now();
  while (!condition()) {
    assert.ok(Date.now() - started < patienceMs, `${what} within ${patienceMs} ms`);
    await pause(20);
  }
  return Date.now() - started;
}

const inSync = (platform) =>
  until('in sync', () => platform.pair().promotable, rejoinPatienceMs);

const kill = (pid) => signal([pid], 'SIGKILL');

/// What is lost, and how long payments may stand still.
const losses = [
  { what: 'primary killed', pick: 'primary', how: kill },
  { what: 'primary killed again', pick: 'primary', how: kill },
  { what: 'standby killed', pick: 'standby', how: kill },
  { what: 'primary killed, its backends stopped', pick: 'primary', how: killStopped },
  { what: 'standby frozen', pick: 'standby', how: freeze, maxMs: givenUpMaxMs, givenUp: true },
  {
    what: 'standby unstartable',
    pick: 'standby',
    how: breakStandby,
    maxMs: givenUpMaxMs,
    givenUp: true,
  },
  { what: 'primary frozen', pick: 'primary', how: freeze, maxMs: frozenMaxMs },
];

test('losing a node of the pair under load', { timeout: 900_000 }, async () => {
  const platform = await Platform.start({ instances: 2 });
  try {
    const shop = openShop(platform, { buyers: 8 });
    for (const { what, pick, how, maxMs = stallMaxMs, givenUp } of losses) {
      await inSync(platform);
      const before = platform.pair();
      const lost = pick === 'primary' ? before.primary : standbyOf(platform);
      const count = shop.paid;
      const done = how(
        nodeOf(platform, lost),
        join(platform.directory, 'data', `postgres-${lost}`),
      );
      // As many as are under way may have been committed before.
      const stalled = await until(what, () => shop.paid > count + shop.buyers, maxMs);
      const after = platform.pair();
      if (pick === 'primary') {
        assert.notEqual(after.primary, before.primary, what);
        assert.equal(after.epoch, before.epoch + 1, what);
        assert.deepEqual(done?.after() ?? [], [], 'nothing of the old primary lives');
      } else {
        assert.equal(after.primary, before.primary, what);
      }
      if (givenUp) assert.equal(after.promotable, false, what);
      done?.mend?.();
      const back = await inSync(platform); // a frozen standby too: it is started again
      console.log(`# ${what}: payments again after ${stalled} ms, in sync after ${back} ms more`);
    }
    const { succeeded } = await settle(platform, shop);
    assert.ok(succeeded > 0);
  } finally {
    await platform.end();
  }
});

/// The programs that make a node a standby.
function copying(platform, node) {
  const directory = join(platform.directory, 'data', `postgres-${node}`);
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return /pg_(rewind|basebackup)$/.test(words[0]) && words.includes(directory);
    } catch {
      return false;
    }
  });
}

test('dying while a node comes back', { timeout: 900_000 }, async () => {
  const platform = await Platform.start();
  try {
    const shop = openShop(platform, { buyers: 8 });
    for (const dies of ['node', 'up', 'both']) {
      await inSync(platform);
      const lost = platform.pair().primary;
      kill(nodeOf(platform, lost));
      await until('it comes back', () => copying(platform, lost).length > 0, rejoinPatienceMs);
      const at = copying(platform, lost);
      assert.ok(
        !existsSync(join(platform.directory, 'data', `postgres-${lost}.made`)),
        'it is not whole while it is copied',
      );
      if (dies !== 'node') await platform.killSupervisor();
      if (dies !== 'up') kill(nodeOf(platform, lost));
      if (dies !== 'node') await platform.launch();
      await inSync(platform);
      assert.ok(!at.some(alive), 'nobody copies any more');
      assert.equal(copying(platform, lost).length, 0);
      // What was copied is whole: it takes over, with all payments.
      const count = shop.paid;
      await until('payments go on', () => shop.paid > count, stallMaxMs);
      kill(nodeOf(platform, platform.pair().primary));
      await until('taken over', () => platform.pair().primary === lost, stallMaxMs);
      console.log(`# ${dies} died while ${lost} came back`);
    }
    const { succeeded } = await settle(platform, shop);
    assert.ok(succeeded > 0);
  } finally {
    await platform.end();
  }
});

test('which node is the primary is never guessed', { timeout: 300_000 }, async () => {
  const platform = await Platform.start();
  try {
    const account = platform.ready.secret_key;
    await inSync(platform);
    await platform.stop();
    const marker = join(platform.directory, 'data', 'postgres-a.made');
    for (const missing of [stateFile(platform), marker]) {
      renameSync(missing, `${missing}.away`);
      await assert.rejects(platform.launch(), /cluster\.json/);
      assert.ok(existsSync(join(platform.directory, 'data', 'postgres-a', 'PG_VERSION')));
      renameSync(`${missing}.away`, missing);
    }
    await platform.launch();
    assert.equal(platform.ready.secret_key, account);
  } finally {
    await platform.end();
  }
});

test('a gigabyte since the last checkpoint', { skip: !slow, timeout: 900_000 }, async () => {
  const platform = await Platform.start();
  try {
    await inSync(platform);
    const lost = platform.pair().primary;
    for (let i = 0; i < 1100; ++i)
      await platform.sql(
        "SELECT pg_logical_emit_message(false, 'test', string_agg(md5(i::text), '')) " +
          'FROM generate_series(1, 32768) AS i',
      );
    kill(nodeOf(platform, lost));
    await until('taken over', () => platform.pair().primary !== lost, stallMaxMs);
    await inSync(platform);
  } finally {
    await platform.end();
  }
});

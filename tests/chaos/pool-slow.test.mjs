// Pool settings at run time: kept, refused, taken back, and never left half applied by whoever
// dies in the middle. What a canary finds under load is a drill's business (004-pool-canary).

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Platform, binary } from '../support/platform.mjs';
import { openShop } from '../support/load.mjs';
import { settle } from '../support/witnesses.mjs';

const slowdown = Number(process.env.TEST_SLOWDOWN ?? 3); // sanitizers and a busy machine
const everybody = ['background', 'pay-1', 'pay-2'];

/// db.pool_max as each process says that it holds, and who tries other settings.
async function running(platform) {
  const page = await (await fetch(platform.ready.metrics_url)).text();
  const max = {};
  for (const [, name, value] of page.matchAll(
    /^holdfast_db_pool_setting\{process="([^"]+)",[^}]*bound="max"\} (\d+)$/gm,
  ))
    max[name] = Number(value);
  const trial = [...page.matchAll(/^holdfast_db_pool_trial\{process="([^"]+)"\} 1$/gm)];
  return { max, trying: trial.map(([, name]) => name) };
}

async function until(what, condition, patienceMs = 5_000 * slowdown) {
  const started = Date.now();
  while (!(await condition())) {
    assert.ok(Date.now() - started < patienceMs, `${what} within ${patienceMs} ms`);
    await pause(50);
  }
}

const all = (max) => Object.fromEntries(everybody.map((name) => [name, max]));

async function allRunWith(platform, max) {
  await until(`all run with ${max}`, async () => {
    const now = await running(platform);
    return JSON.stringify(now) === JSON.stringify({ max: all(max), trying: [] });
  });
}

/// Lists, which is what needs the pool, until the function that it returns is called.
function browse(platform) {
  let stopping = false;
  const reader = async () => {
    while (!stopping)
      await platform.raw('GET', '/v1/payment_intents?limit=3').catch(() => pause(100));
  };
  const readers = Array.from({ length: 4 }, reader);
  return () => ((stopping = true), Promise.all(readers));
}

/// Starts a change and waits until somebody tries it.
async function beginTrial(platform, ...args) {
  const data = join(platform.directory, 'data');
  const command = spawn(binary, ['pool', 'set', '--data', data, ...args]);
  let said = '';
  for (const stream of [command.stdout, command.stderr])
    stream.on('data', (chunk) => (said += chunk));
  const ended = new Promise((resolve) => command.on('close', (code) => resolve({ code, said })));
  let trying = [];
  await until(
    'somebody tries it',
    async () => {
      assert.equal(command.exitCode, null, said);
      ({ trying } = await running(platform));
      return trying.length > 0;
    },
    60_000 * slowdown,
  );
  assert.equal(trying.length, 1, 'one process only');
  return { command, ended, canary: trying[0] };
}

test('pool settings at run time, whoever dies in the middle', { timeout: 900_000 }, async () => {
  const platform = await Platform.start({ instances: 2 });
  const stopBrowsing = browse(platform);
  const shop = openShop(platform, { buyers: 4 });
  try {
    const set = (...args) => platform.command('pool', 'set', ...args);
    assert.deepEqual((await running(platform)).max, all(8));

    for (const args of [['--max', '1'], ['--min', '9'], ['--max', '501']])
      assert.equal((await set(...args)).code, 1, args.join(' '));
    const refused = await set('--max', '400');
    assert.equal(refused.code, 1);
    assert.match(refused.err, /the doctor refuses.*connections_exceed_server/s);
    assert.match((await set('--max', '12', '--allow', 'no_such')).err, /no such rule/);
    assert.deepEqual((await running(platform)).max, all(8), 'and nothing has changed');

    const killed = await beginTrial(platform, '--max', '6', '--observe', '5');
    assert.equal((await running(platform)).max[killed.canary], 6);
    killed.command.kill('SIGKILL');
    await allRunWith(platform, 8);

    const dying = await beginTrial(platform, '--max', '6', '--observe', '5');
    const second = await set('--max', '7');
    assert.equal(second.code, 1);
    assert.match(second.err, /another `holdfast pool set`/);
    process.kill(platform.services().find(({ name }) => name === dying.canary).pid, 'SIGKILL');
    const taken = await dying.ended;
    assert.equal(taken.code, 1, taken.said);
    assert.match(taken.said, /rolled back: /);
    await allRunWith(platform, 8);

    const kept = await set('--max', '7', '--observe', '10');
    assert.equal(kept.code, 0, kept.out + kept.err);
    assert.match(kept.out, /hold everywhere; also after a restart/);
    await allRunWith(platform, 7);
    assert.match((await platform.command('pool', 'show')).out, /configured.*8\nchosen.*7\n/);

    const orphaned = await beginTrial(platform, '--max', '6', '--observe', '5');
    await platform.killSupervisor();
    const left = await orphaned.ended;
    assert.equal(left.code, 1);
    assert.match(left.said, /rolled back: `holdfast up` has ended/);
    await platform.launch();
    await stopBrowsing();
    await settle(platform, shop);
    await allRunWith(platform, 7);
    assert.match(platform.output, /db\.pool_max 7, as chosen at run time/);

    platform.args.push('--db-pool-max', '9');
    await platform.restart();
    await allRunWith(platform, 9);
    assert.match(platform.output, /which ends db\.pool_min 2, db\.pool_max 7, chosen at run time/);
    const file = join(platform.directory, 'data', 'pool.json');
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { configured: { min: 2, max: 9 } });

    assert.equal((await set('--max', '10', '--force')).code, 0);
    await allRunWith(platform, 10);
    const shown = await platform.command('doctor', '--json', '--database-cores', '1');
    assert.match(shown.out, /db.pool_max 10/, 'the doctor goes by what holds');
  } catch (error) {
    console.log(`# ${error.stack}`); // what happens in the end may hide it
    throw error;
  } finally {
    await Promise.all([stopBrowsing(), shop.stop()]);
    await platform.end();
  }
});

// Half an hour of payments while everything that a payment needs fails at random: processes die or
// hang, the database is locked, burdened or gone, the acquirer is slow, deaf or loses its answers,
// roles change, the supervisor dies. Every few minutes the witnesses are compared: nobody was
// refused, nothing lost or doubled, ledger and acquirer's books agree, all by itself.
//
// SEED=n repeats the choices (not the timing), SOAK_MINUTES=n makes it shorter or longer.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Platform, run } from '../support/platform.mjs';
import { openShop, seeded, setAcquirerFaults } from '../support/load.mjs';
import { signal, withChildren } from '../support/processes.mjs';
import { readyAgain, settle } from '../support/witnesses.mjs';

const minutes = Number(process.env.SOAK_MINUTES ?? 30);
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const roundMs = Math.min(5, minutes) * 60_000;
const faultMaxMs = 12_000;
const calmMaxMs = 4_000;
const acquirerBackMs = 20_000;

/// Runs SQL beside the platform; what it locks is let go when it ends or its server dies.
const sql = (platform, text) =>
  run('psql', ['-X', '-q', '-d', platform.ready.database_url, '-c', text]);

const heldStatements = {
  'payments locked': 'LOCK TABLE payment_intents IN ACCESS EXCLUSIVE MODE',
  'ledger locked': 'LOCK TABLE entries IN ACCESS EXCLUSIVE MODE',
  'heavy update': 'UPDATE payment_intents SET version = version',
};
const hold = (platform, statement, ms) =>
  sql(platform, `BEGIN; ${statement}; SELECT pg_sleep(${ms / 1000}); ROLLBACK`);
const held = Object.fromEntries(
  Object.entries(heldStatements).map(([name, statement]) => [
    name,
    (platform, ms) => hold(platform, statement, ms),
  ]),
);

/// Stops processes as a machine that hangs, for a while.
const frozen = (wanted) => async (platform, ms) => {
  const services = platform.services().filter(({ name }) => wanted(name, platform));
  assert.ok(services.length > 0, 'nothing to freeze');
  const pids = services.flatMap(({ pid }) => withChildren(pid));
  signal(pids, 'SIGSTOP');
  await pause(ms);
  signal(pids, 'SIGCONT');
};

const killed = (wanted) => async (platform) => {
  const service = platform.services().find(({ name }) => wanted(name, platform));
  assert.ok(service, 'nothing to kill');
  signal([service.pid], 'SIGKILL');
};

/// As soon as it answers: it may just be starting again.
async function teachAcquirer(platform, plan) {
  for (const until = Date.now() + acquirerBackMs; ; await pause(50)) {
    const taught = await setAcquirerFaults(platform.ready, plan).catch((error) => error);
    if (!(taught instanceof Error)) return;
    if (Date.now() > until) throw taught;
  }
}

const acquirer = (modes) => async (platform, ms, random) => {
  await teachAcquirer(platform, { seed: Math.floor(random() * 1e6), modes });
  await pause(ms);
  await teachAcquirer(platform, { seed: 1, modes: {} });
};

const isPrimary = (name, platform) => name === `postgres-${platform.pair().primary}`;
const isServer = (name) => name.startsWith('postgres-');
const isStandby = (name, platform) => isServer(name) && !isPrimary(name, platform);

/// Each returns when the fault is over.
const faults = {
  'primary killed': killed(isPrimary),
  'standby killed': killed(isStandby),
  'pay-1 killed': killed((name) => name === 'pay-1'),
  'pay-2 killed': killed((name) => name === 'pay-2'),
  'acquirer killed': killed((name) => name === 'acquirer'),
  'primary frozen': frozen(isPrimary),
  'standby frozen': frozen(isStandby),
  'database frozen': frozen(isServer),
  'pay-1 frozen': frozen((name) => name === 'pay-1'),
  'acquirer frozen': frozen((name) => name === 'acquirer'),
  'answers of the acquirer lost': acquirer({ lose_answer: { probability: 0.3 } }),
  'acquirer slow': acquirer({ delay: { probability: 0.5, delay_ms: 200, delay_max_ms: 3_000 } }),
  ...held,
  'backends terminated': async (platform) => {
    await sql(
      platform,
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()',
    );
  },
  switchover: async (platform) => {
    await platform.command('switchover'); // refused where the pair is not well: no harm done
  },
  'supervisor killed': async (platform) => {
    await platform.killSupervisor();
    await platform.launch();
  },
};

const someOf = (random, names) => names[Math.floor(random() * names.length)];

/// One fault, at times beside a second one, then calm for a while.
async function misfortune(platform, random, done) {
  const names = [someOf(random, Object.keys(faults))];
  const others = ['acquirer slow', 'answers of the acquirer lost', 'pay-2 killed'];
  if (random() < 0.2 && names[0] !== 'supervisor killed') names.push(someOf(random, others));
  const ms = Math.floor(1_000 + random() * (faultMaxMs - 1_000));
  done.push(`${new Date().toISOString()} ${names.join(' and ')}, ${ms} ms`);
  await Promise.all(names.map((name) => faults[name](platform, ms, random)));
  await readyAgain(platform);
  await pause(random() * calmMaxMs);
}

async function round(platform, random, done) {
  const shop = openShop(platform, { random, buyers: 12, patienceMs: 90_000 });
  const until = Date.now() + roundMs;
  while (Date.now() < until) await misfortune(platform, random, done);
  const { succeeded, report } = await settle(platform, shop);
  assert.ok(succeeded > 100, 'payments went on');
  const { operations } = report.checked;
  return `${shop.purchases.size} purchases, ${succeeded} paid, ${operations} operations`;
}

test(`${minutes} minutes of random faults, seed ${seed}`, { timeout: 3_500_000 }, async () => {
  const random = seeded(seed);
  const platform = await Platform.start({ instances: 2 });
  const done = [];
  try {
    for (const statement of Object.values(heldStatements)) {
      const { code, err } = await hold(platform, statement, 1);
      assert.equal(code, 0, `a fault that is none: ${err}`);
    }
    for (let left = minutes * 60_000; left > 0; left -= roundMs) {
      const before = done.length;
      const result = await round(platform, random, done);
      console.log(`# ${result}; ${done.length - before} faults`);
    }
  } catch (error) {
    console.log(`# ${done.slice(-6).join('\n# ')}\n# repeat with SEED=${seed}`);
    throw error;
  } finally {
    await platform.end().catch((error) => console.log(`# ${error.message}`));
  }
});

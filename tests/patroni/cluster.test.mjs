// Payments on three nodes of Patroni, through everything that takes a primary away: its server
// dies, its whole node dies, an operator moves it, it freezes and thaws (slow). Each case ends with
// the cluster whole again by itself, and all of them with the three witnesses: none lost, none
// doubled. etcd may be away for as long as it likes (slow).
//
// How long nobody could pay is printed beside how long Patroni itself had no primary. At the end
// the doctor looks at the cluster, as it is and with each setting of it that it warns of.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Fleet } from '../support/fleet.mjs';
import { PatroniCluster } from '../support/patroni.mjs';
import { StripeShop } from '../support/stripe_shop.mjs';
import { until } from '../support/processes.mjs';
import { holdfast } from '../support/platform.mjs';
import { settle } from '../support/witnesses.mjs';

/// Where tests keep their data, and which cores they run on, is of this machine.
const aboutTheMachine = ['data_in_memory'];
const slow = process.env.TEST_SLOW === '1';
const quietMs = 500; // of payments before each fault
const etcdAwayMs = 10_000;

let cluster;
let fleet;
let shop;

before(async () => {
  cluster = await PatroniCluster.start();
  fleet = await Fleet.start({
    appUrl: cluster.url('holdfast_app'),
    deployUrl: cluster.url('holdfast_deploy'),
  });
  shop = new StripeShop({ platform: fleet });
  const started = Date.now();
  await until('payments succeed', () => shop.paidAfter(started));
});

after(async () => {
  await shop?.stop();
  await fleet?.end();
  await cluster?.end();
});

/// Does it to the primary and waits until another node is, payments go on, and all is whole again.
/// `repair` is called with what `fault` answered, once payments go on.
async function replacePrimary(what, fault, repair = () => {}) {
  const { name: old, timeline } = await cluster.whole();
  await pause(quietMs);
  const watched = cluster.watchPrimary();
  const began = Date.now();
  const done = await fault(old);
  const leader = await until(`${what}: another primary`, async () => {
    const found = await cluster.leader();
    return found.timeline > timeline && found;
  });
  const replaced = Date.now();
  const patroniMs = await watched();
  await until(`${what}: payments go on`, () => shop.paidAfter(replaced));
  const stalls = shop.stalls(began);
  await repair(done, old);
  await cluster.whole();
  assert.deepEqual([shop.errors, shop.declines], [[], []], 'the stripe client saw an error');
  console.log(
    `# ${what}: ${old} -> ${leader.name}, no primary by Patroni for ${patroniMs} ms; ` +
      `no payment for ${stalls.gap} ms, the longest took ${stalls.purchase} ms`,
  );
}

test('the server of the primary is killed', () =>
  replacePrimary('kill -9 of the server', (name) => cluster.killServer(name)));

test('the primary is moved by patronictl', () =>
  replacePrimary('switchover', async (name) => {
    const { name: to } = (await cluster.members()).find(({ role }) => role === 'sync_standby');
    await cluster.switchover(name, to);
  }));

if (slow)
  test('the primary freezes, and thaws when another one has taken over', () =>
    replacePrimary(
      'freeze',
      (name) => cluster.freeze(name),
      (pids) => cluster.thaw(pids),
    ));

test('the node of the primary dies, and comes back', () =>
  replacePrimary(
    'death of the node',
    (name) => cluster.killNode(name),
    (_, name) => cluster.startNode(name),
  ));

if (slow)
  test('etcd is away for longer than ttl, and nobody notices', async () => {
    const { name } = await cluster.whole();
    const began = Date.now();
    await cluster.stopEtcd();
    await pause(etcdAwayMs);
    const { gap } = shop.stalls(began);
    assert.ok(gap < etcdAwayMs / 2, `payments stopped for ${gap} ms`);
    cluster.startEtcd();
    assert.equal((await cluster.whole()).name, name);
    assert.deepEqual(shop.errors, [], 'the stripe client saw an error');
    console.log(`# etcd away for ${etcdAwayMs} ms: no payment for ${gap} ms`);
  });

test('none of it lost or doubled a payment', async () => {
  const { succeeded, report } = await settle(fleet, shop);
  console.log(`# ${succeeded} purchases paid, ${report.checked.operations} operations`);
  assert.ok(succeeded > 0);
});

/// What the doctor finds, once it finds just that: a change takes a moment to be everywhere.
async function doctorFinds(expected) {
  const found = async () => {
    const { out } = await holdfast(
      ...['doctor', '--json', '--database-url', cluster.url('holdfast_app')],
      ...['--database-cores', '32', '--patroni', cluster.nodes.db2.config],
    );
    const rules = JSON.parse(out).findings.map(({ rule }) => rule);
    return rules.filter((rule) => !aboutTheMachine.includes(rule));
  };
  const same = (rules) => rules.join() === expected.join();
  await until(`the doctor finds [${expected}]`, async () => same(await found())).catch(() => null);
  assert.deepEqual(await found(), expected);
}

test('the doctor is silent on this cluster, and names each setting that is unsafe', async () => {
  await doctorFinds([]);
  await cluster.agree({ failsafe_mode: false, primary_start_timeout: 300 });
  await doctorFinds(['patroni_without_failsafe', 'patroni_waits_for_crashed']);
  await cluster.agree({ failsafe_mode: true, primary_start_timeout: 0, synchronous_mode: null });
  await doctorFinds(['replication_asynchronous', 'patroni_asynchronous']);
  await cluster.agree({ synchronous_mode: true });
  await doctorFinds([]);
});

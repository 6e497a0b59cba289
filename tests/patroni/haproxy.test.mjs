// HAProxy, as deploy/haproxy has it, in front of three processes that take payments: one is
// drained, one is killed, under load, and no client sees an error. What comes back takes requests
// again.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { Fleet } from '../support/fleet.mjs';
import { Postgres } from '../support/postgres.mjs';
import { StripeShop } from '../support/stripe_shop.mjs';
import { until } from '../support/processes.mjs';
import { settle } from '../support/witnesses.mjs';

let postgres;
let fleet;
let shop;

before(async () => {
  postgres = await Postgres.start();
  fleet = await Fleet.start({ appUrl: postgres.url, deployUrl: postgres.url });
  shop = new StripeShop({ platform: fleet, buyers: 8, pauseMs: 5 });
  const started = Date.now();
  await until('payments succeed', () => shop.paidAfter(started));
});
after(async () => {
  await shop?.stop();
  await fleet?.end();
  await postgres?.end();
});

/// Payments go on at the others, what it had begun is answered, and it comes back and gets its
/// share again. How many purchases were under way when it ended, anywhere.
async function withoutOne(instance, end) {
  await until('it takes payments', async () => (await seen(instance)).requests > 0);
  const began = Date.now();
  await end();
  const open = shop.openSince(Date.now());
  await until('HAProxy has noticed', async () => !(await seen(instance)).up);
  const noticed = Date.now();
  await until('payments go on', () => shop.paidAfter(noticed));
  await until('all that had begun is answered', () => shop.openSince(noticed) === 0);
  const { gap, purchase } = shop.stalls(began);
  assert.deepEqual(shop.errors, [], 'the stripe client saw an error');

  const { requests } = await seen(instance);
  await fleet.startInstance(instance);
  await until('it gets requests again', async () => (await seen(instance)).requests > requests + 5);
  console.log(`# no payment for ${gap} ms, the longest took ${purchase} ms`);
  return open;
}

const seen = (instance) => fleet.asSeenByProxy(instance);

test('an instance is drained', async () => {
  const [, instance] = fleet.instances;
  await withoutOne(instance, async () => {
    const exited = once(instance.process, 'exit');
    instance.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null], 'it finished what it had begun');
  });
  assert.deepEqual(shop.declines, []);
});

// A payment that had begun at the acquirer may be reversed when nobody knows what became of it. The
// client hears that after some seconds as a decline (processing_error); nothing was charged.
test('an instance is killed', async () => {
  const [instance] = fleet.instances;
  const open = await withoutOne(instance, () => instance.kill('SIGKILL'));
  assert.ok(shop.declines.length <= open, `${shop.declines} of ${open}`);
  for (const decline of shop.declines) assert.match(decline, /processing_error/);
  console.log(`# of ${open} purchases under way ${shop.declines.length} were declined`);
});

test('none of it lost or doubled a payment', async () => {
  const { succeeded } = await settle(fleet, shop);
  console.log(`# ${succeeded} purchases paid`);
  assert.ok(succeeded > 0);
});

test('what nobody may send twice is not sent twice', async () => {
  // An instance that takes the request and is gone: without an idempotency key the client has to
  // hear that nobody knows what became of it.
  const others = fleet.instances.slice(1);
  for (const { process } of others) process.kill('SIGSTOP');
  try {
    const [instance] = fleet.instances;
    await until('the others are out', async () =>
      (await Promise.all(others.map(seen))).every(({ up }) => !up),
    );
    instance.process.kill('SIGSTOP');
    const body = 'amount=100&currency=usd&payment_method=pm_card_visa&confirm=true';
    const headers = {
      Authorization: `Bearer ${fleet.ready.secret_key}`,
      'Content-Type': 'application/x-www-form-urlencoded',
    };
    const asked = fetch(`${fleet.ready.api_base}/v1/payment_intents`, {
      ...{ method: 'POST', body, headers },
    }).then(
      ({ status }) => status,
      () => 'closed', // what HAProxy does on a connection that had a request before
    );
    await pause(300); // it is in the socket of an instance that does not read
    for (const { process } of others) process.kill('SIGCONT');
    await until('the others are in again', async () =>
      (await Promise.all(others.map(seen))).every(({ up }) => up),
    );
    instance.kill('SIGKILL');
    assert.ok([502, 'closed'].includes(await asked), `answered ${await asked}`);
    await fleet.startInstance(instance);
  } finally {
    for (const { process } of others) process.kill('SIGCONT');
  }
  await until('all are in again', async () =>
    (await Promise.all(fleet.instances.map(seen))).every(({ up }) => up),
  );
});

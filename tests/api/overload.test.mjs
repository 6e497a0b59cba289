// Too much of something: what is refused, how, how quickly, and that the rest goes on.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import Stripe from 'stripe';
import { Platform } from '../support/platform.mjs';

const browseMax = 10;
let platform;
let stripe;

before(async () => {
  platform = await Platform.start({
    args: [
      ...['--api-browse-max', String(browseMax)],
      ...['--api-rate-limit-test', '10'],
      ...['--api-wrong-keys-per-second', '2'],
    ],
  });
  stripe = new Stripe(
    platform.ready.secret_key,
    platform.stripeOptions({ maxNetworkRetries: 10 }),
  );
});
after(() => platform.end());

const times = (n, work) => Promise.all(Array.from({ length: n }, (_, i) => work(i)));

async function until(what, holds) {
  const started = Date.now();
  while (!(await holds())) {
    assert.ok(Date.now() - started < 10_000, `waiting until ${what}`);
    await pause(20);
  }
}

/// Nobody can read customers until `unlocked` is settled.
async function lockCustomers(seconds) {
  const unlocked = platform.sql(
    `begin; lock table customers in access exclusive mode; select pg_sleep(${seconds}); rollback`,
  );
  const granted = `select count(*) from pg_locks where relation = 'customers'::regclass
                   and mode = 'AccessExclusiveLock' and granted`;
  await until('customers are locked', async () => (await platform.sql(granted)) === '1');
  return { unlocked };
}

async function payment() {
  const answer = await platform.raw('POST', '/v1/payment_intents', {
    body: 'amount=1000&currency=usd&payment_method=pm_card_visa&confirm=true',
    headers: { 'Idempotency-Key': randomUUID() },
  });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.status, 'succeeded');
}

function assertRateLimited(answer) {
  assert.equal(answer.status, 429);
  assert.equal(answer.json.error.code, 'rate_limit');
  assert.equal(answer.json.error.type, 'invalid_request_error');
  assert.equal(answer.headers.get('retry-after'), '1');
  assert.equal(answer.headers.get('stripe-should-retry'), 'true');
  assert.match(answer.headers.get('request-id'), /^req_/);
}

async function metric(name, labels) {
  const page = await (await fetch(platform.ready.metrics_url)).text();
  return page
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`))
    .filter((line) => labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

test('a key that asks too often is refused for a moment, and can pay meanwhile', async () => {
  const answers = await times(8, async () => {
    const mine = [];
    for (let i = 0; i < 20; ++i) mine.push(await platform.raw('GET', '/v1/balance'));
    return mine;
  });
  const refused = answers.flat().filter((a) => a.status !== 200);
  assert.ok(refused.length > 20);
  refused.forEach(assertRateLimited);
  await payment();
  const labels = ['urgency="browse"', 'reason="rate_limit_key"'];
  assert.equal(await metric('holdfast_requests_refused_total', labels), refused.length);
  await pause(1100);
  assert.equal((await platform.raw('GET', '/v1/balance')).status, 200, 'it recovers by itself');
});

test('the unmodified client waits as it is told', async () => {
  const balances = await times(40, () => stripe.balance.retrieve());
  assert.equal(balances.length, 40);
});

test('a refusal is not stored under the idempotency key', async () => {
  const create = (key) =>
    platform.raw('POST', '/v1/customers', {
      body: `name=${key}`,
      headers: { 'Idempotency-Key': key },
    });
  await pause(1100);
  const keys = Array.from({ length: 60 }, () => randomUUID());
  const answers = await times(60, (i) => create(keys[i]));
  const refused = answers.findIndex((answer) => answer.status !== 200);
  assertRateLimited(answers[refused]);
  assert.equal(answers[refused].headers.get('idempotent-replayed'), null);
  await pause(1100);
  const again = await create(keys[refused]);
  assert.equal(again.status, 200);
  assert.equal(again.headers.get('idempotent-replayed'), null);
  assert.equal(again.json.name, keys[refused]);
});

test('wrong keys from one address are refused, good ones are not', async () => {
  const statuses = [];
  for (let i = 0; i < 60; ++i) {
    const answer = await platform.raw('GET', '/v1/balance', { key: `sk_test_wrong${i}` });
    statuses.push(answer.status);
    if (answer.status === 429) assertRateLimited(answer);
  }
  assert.ok(statuses.slice(0, 20).every((status) => status === 401));
  assert.ok(statuses.includes(429));
  assertRateLimited(await platform.raw('GET', '/v1/balance', { key: null }));
  await payment();
  await pause(1100);
  const later = await platform.raw('GET', '/v1/balance', { key: 'sk_test_wrong' });
  assert.equal(later.status, 401, 'it recovers by itself');
});

test('when browsing hangs, more of it is shed at once and payments go on', async () => {
  await pause(1100);
  const { unlocked } = await lockCustomers(4);
  const hanging = times(browseMax, () => platform.raw('GET', '/v1/customers'));
  const running = () => metric('holdfast_admission_running', ['urgency="browse"']);
  await until('browsing hangs', async () => (await running()) === browseMax);
  const shed = await times(10, () => platform.raw('GET', '/v1/charges'));
  for (const answer of shed) {
    assert.equal(answer.status, 503);
    assert.equal(answer.json.error.type, 'api_error');
    assert.equal(answer.headers.get('retry-after'), '1');
    assert.equal(answer.headers.get('stripe-should-retry'), 'true');
  }
  await payment();
  const labels = ['http_route="/v1/charges"', 'http_response_status_code="503"'];
  const duration = 'http_server_request_duration_seconds';
  assert.equal(await metric(`${duration}_count`, labels), 10);
  assert.ok((await metric(`${duration}_bucket`, [...labels, 'le="0.01"'])) >= 9, 'in 10 ms');
  await hanging;
  await unlocked;
  assert.equal((await platform.raw('GET', '/v1/charges')).status, 200, 'it recovers by itself');
});

test('a deadline of the client reaches the database', async () => {
  await pause(1100);
  const { unlocked } = await lockCustomers(6);
  await pause(1000); // until the standby has the lock, too: it would answer
  const started = Date.now();
  const answer = await platform.raw('GET', '/v1/customers', {
    headers: { 'Request-Timeout-Ms': '300' },
  });
  const took = Date.now() - started;
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get('stripe-should-retry'), 'true');
  assert.ok(took >= 250 && took < 1500, `${took} ms`);
  const waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
  await until('nothing runs on', async () => (await platform.sql(waiting)) === '0');
  assert.ok(Date.now() - started < 1900, 'before its lock_timeout of 2 s ended it');
  await unlocked;
  assert.equal((await platform.raw('GET', '/v1/customers')).status, 200);
});

test('Request-Timeout-Ms is a number of milliseconds', async () => {
  for (const value of ['0', '-1', 'soon', '1.5', '99999999999999999999']) {
    const answer = await platform.raw('GET', '/v1/balance', {
      headers: { 'Request-Timeout-Ms': value },
    });
    assert.equal(answer.status, 400, value);
    assert.equal(answer.json.error.code, 'request_timeout_invalid');
  }
});

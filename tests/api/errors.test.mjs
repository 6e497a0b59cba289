// Errors and limits: each in Stripe's form, never a 500, and nothing written.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import Stripe from 'stripe';
import { Platform, errorOf } from '../support/platform.mjs';

let platform;
let stripe;

before(async () => {
  platform = await Platform.start();
  stripe = new Stripe(platform.ready.secret_key, platform.stripeOptions());
});
after(() => platform.end());

test('the client picks the right class for every status', async () => {
  const { errors } = Stripe;
  const bad = new Stripe('sk_test_wrong', platform.stripeOptions());
  assert.ok((await errorOf(bad.customers.create({}))) instanceof errors.StripeAuthenticationError);
  const missing = await errorOf(stripe.customers.retrieve('cus_0000000000000000000000'));
  assert.ok(missing instanceof errors.StripeInvalidRequestError);
  assert.equal(missing.statusCode, 404);
  assert.equal(missing.code, 'resource_missing');
  assert.match(missing.requestId, /^req_/);
  const payer = new Stripe(platform.ready.publishable_key, platform.stripeOptions());
  assert.ok((await errorOf(payer.balance.retrieve())) instanceof errors.StripePermissionError);
});

test('authentication: none, malformed, basic', async () => {
  for (const headers of [{}, { Authorization: 'Bearer' }, { Authorization: 'Token x' }]) {
    const answer = await platform.raw('GET', '/v1/balance', { key: null, headers });
    assert.equal(answer.status, 401);
    assert.equal(answer.json.error.type, 'invalid_request_error');
  }
  const basic = Buffer.from(`${platform.ready.secret_key}:`).toString('base64');
  const answer = await platform.raw('GET', '/v1/balance', {
    key: null,
    headers: { Authorization: `Basic ${basic}` },
  });
  assert.equal(answer.status, 200);
});

test('Stripe-Version and Stripe-Account', async () => {
  const old = new Stripe(
    platform.ready.secret_key,
    platform.stripeOptions({ apiVersion: '2020-08-27' }),
  );
  const balance = await old.balance.retrieve();
  assert.equal(balance.lastResponse.apiVersion, '2020-08-27');
  const foreign = await errorOf(
    stripe.balance.retrieve({}, { stripeAccount: 'acct_0000000000000000000000' }),
  );
  assert.equal(foreign.statusCode, 403);
});

const valid = 'amount=1000&currency=usd';
const refused = [
  // what is sent, status, code, param
  ['', 400, 'parameter_missing', 'amount'],
  ['currency=usd', 400, 'parameter_missing', 'amount'],
  ['amount=1000', 400, 'parameter_missing', 'currency'],
  ['amount=0&currency=usd', 400, 'parameter_invalid_integer', 'amount'],
  ['amount=-5&currency=usd', 400, 'parameter_invalid_integer', 'amount'],
  ['amount=1e3&currency=usd', 400, 'parameter_invalid_integer', 'amount'],
  ['amount=10.99&currency=usd', 400, 'parameter_invalid_integer', 'amount'],
  ['amount=9223372036854775808&currency=usd', 400, 'parameter_invalid_integer', 'amount'],
  ['amount=9223372036854775807&currency=usd', 400, 'amount_too_large', 'amount'],
  ['amount=1&currency=usd', 400, 'amount_too_small', 'amount'],
  ['amount[]=1000&currency=usd', 400, 'parameter_invalid_string', 'amount'],
  ['amount=1000&currency=xxx', 400, undefined, 'currency'],
  ['amount=1000&currency=us%00d', 400, undefined, undefined],
  ['amount=1000&currency=%ff%fe', 400, undefined, undefined],
  [`${valid}&description=%80`, 400, undefined, undefined],
  [`${valid}&description=%zz`, 400, undefined, undefined],
  [`${valid}&colour=blue`, 400, 'parameter_unknown', 'colour'],
  [`${valid}&amount=2000`, 400, undefined, 'amount'],
  [`${valid}&metadata[a]=1&metadata=2`, 400, undefined, undefined],
  [`${valid}&metadata[a=1`, 400, undefined, undefined],
  [`${valid}&capture_method=never`, 400, undefined, 'capture_method'],
  [`${valid}&confirm=maybe`, 400, 'parameter_invalid_boolean', 'confirm'],
  [`${valid}&customer=cus_0000000000000000000000`, 400, 'resource_missing', 'customer'],
  [`${valid}&payment_method=pm_nope`, 400, 'resource_missing', 'payment_method'],
  [`${valid}&payment_method_types[]=bitcoin`, 400, undefined, 'payment_method_types'],
  [`${valid}&description=${'x'.repeat(1001)}`, 400, undefined, 'description'],
  [`${valid}&expand[]=nothing`, 400, undefined, 'expand'],
  [
    `${valid}&expand[]=latest_charge.payment_intent.latest_charge.payment_intent.customer`,
    400,
    undefined,
    'expand',
  ],
  [
    Array.from({ length: 1100 }, (_, i) => `metadata[k${i}]=v`).join('&'),
    400,
    undefined,
    undefined,
  ],
];

test('bad parameters are refused with a code and the parameter, nothing is written', async () => {
  const before = await stripe.paymentIntents.list({ limit: 100 });
  for (const [body, status, code, param] of refused) {
    const answer = await platform.raw('POST', '/v1/payment_intents', { body });
    assert.equal(answer.status, status, `${body.slice(0, 80)}: ${answer.text}`);
    assert.equal(answer.json.error.type, 'invalid_request_error', body.slice(0, 80));
    assert.ok(answer.json.error.message.length > 0);
    if (code) assert.equal(answer.json.error.code, code, body.slice(0, 80));
    if (param) assert.equal(answer.json.error.param, param, body.slice(0, 80));
    assert.match(answer.headers.get('request-id'), /^req_/);
    assert.equal(answer.headers.get('stripe-should-retry'), 'false');
  }
  const afterwards = await stripe.paymentIntents.list({ limit: 100 });
  assert.equal(afterwards.data.length, before.data.length);
});

const foreign = {
  payment_intents: 'pi_0000000000000000000000',
  customers: 'cus_0000000000000000000000',
  payment_methods: 'pm_0000000000000000000000',
  charges: 'ch_0000000000000000000000',
  refunds: 're_0000000000000000000000',
  events: 'evt_0000000000000000000000',
  balance_transactions: 'txn_0000000000000000000000',
  tokens: 'tok_0000000000000000000000',
};

test('ids that name nothing are 404 everywhere', async () => {
  const odd = [
    'x',
    'pi_',
    '%00',
    '..',
    'pi_%F0%9F%92%A9',
    'a'.repeat(400),
    "pi_' OR 1=1 --".replaceAll(' ', '+'),
  ];
  for (const [resource, id] of Object.entries(foreign)) {
    for (const each of [id, ...odd]) {
      const answer = await platform.raw('GET', `/v1/${resource}/${each}`);
      assert.ok([400, 404].includes(answer.status), `${resource}/${each}: ${answer.status}`);
      assert.equal(answer.json.error.type, 'invalid_request_error');
    }
  }
  const actions = [
    ['payment_intents', 'confirm'],
    ['payment_intents', 'capture'],
    ['payment_intents', 'cancel'],
    ['payment_methods', 'detach'],
    ['charges', 'capture'],
    ['refunds', 'cancel'],
    ['payment_intents', ''],
    ['customers', ''],
    ['charges', ''],
    ['refunds', ''],
    ['payment_methods', ''],
  ];
  for (const [resource, action] of actions) {
    const path = `/v1/${resource}/${foreign[resource]}${action ? `/${action}` : ''}`;
    const answer = await platform.raw('POST', path, { body: '' });
    assert.equal(answer.status, 404, `${path}: ${answer.text}`);
    assert.equal(answer.json.error.code, 'resource_missing');
  }
});

test('lists refuse bad limits and cursors', async () => {
  for (const resource of Object.keys(foreign).filter((r) => r !== 'tokens')) {
    for (const query of [
      'limit=0',
      'limit=101',
      'limit=ten',
      'starting_after=nope',
      'created[gt]=x',
      `starting_after=${foreign[resource]}`,
      `starting_after=${foreign[resource]}&ending_before=${foreign[resource]}`,
      'color=blue',
    ]) {
      const answer = await platform.raw('GET', `/v1/${resource}?${query}`);
      assert.ok(
        [400, 404].includes(answer.status),
        `${resource}?${query}: ${answer.status} ${answer.text.slice(0, 200)}`,
      );
    }
  }
});

test('paths, methods and bodies of another kind', async () => {
  assert.equal((await platform.raw('GET', '/v1/unknown')).status, 404);
  assert.equal((await platform.raw('DELETE', '/v1/balance')).status, 404);
  assert.equal((await platform.raw('GET', '/')).status, 404);
  const json = await platform.raw('POST', '/v1/customers', {
    body: '{"name":"x"}',
    headers: { 'Content-Type': 'application/json' },
  });
  assert.equal(json.status, 400);
  const big = await platform
    .raw('POST', '/v1/customers', { body: `name=${'x'.repeat(20_000_000)}` })
    .catch((e) => e);
  if (!(big instanceof Error)) assert.equal(big.status, 413);
});

test('every answer tells clients what they want to know', async () => {
  const answer = await platform.raw('GET', '/v1/balance');
  assert.match(answer.headers.get('content-type'), /^application\/json/);
  assert.equal(answer.headers.get('stripe-version'), '2026-10-28.endive');
  assert.equal((await platform.raw('GET', '/livez', { key: null })).status, 200);
  assert.equal((await platform.raw('GET', '/readyz', { key: null })).status, 200);
});

test('the metrics of all processes are on one page', async () => {
  await stripe.paymentIntents.create({
    amount: 1000,
    currency: 'usd',
    payment_method: 'pm_card_visa',
    confirm: true,
  });
  const page = await (await fetch(platform.ready.metrics_url)).text();
  assert.match(page, /http_server_request_duration_seconds_count\{process="pay-1"/);
  assert.match(page, /holdfast_process_up\{process="background"\} 1/);
});

test('accounts never see each other', async () => {
  const made = await platform.command('account', 'create', 'Other', '--json');
  assert.equal(made.code, 0, made.err);
  const { account } = JSON.parse(made.out);
  const keyed = await platform.command('keys', 'create', '--account', account, '--json');
  assert.equal(keyed.code, 0, keyed.err);
  const { key, hint } = JSON.parse(keyed.out);
  const other = new Stripe(key, platform.stripeOptions());
  const payment = await stripe.paymentIntents.create(
    {
      amount: 1000,
      currency: 'usd',
      payment_method: 'pm_card_visa',
      confirm: true,
    },
    { idempotencyKey: 'shared-key' },
  );
  assert.equal((await errorOf(other.paymentIntents.retrieve(payment.id))).code, 'resource_missing');
  assert.equal(
    (await errorOf(other.charges.retrieve(payment.latest_charge))).code,
    'resource_missing',
  );
  assert.equal(
    (await errorOf(other.refunds.create({ payment_intent: payment.id }))).code,
    'resource_missing',
  );
  assert.equal((await other.paymentIntents.list()).data.length, 0);
  assert.equal((await other.events.list()).data.length, 0);
  const theirs = await other.paymentIntents.create(
    {
      amount: 1000,
      currency: 'usd',
      payment_method: 'pm_card_visa',
      confirm: true,
    },
    { idempotencyKey: 'shared-key' },
  );
  assert.notEqual(theirs.id, payment.id);

  const rolled = await platform.command('keys', 'roll', hint, '--json');
  assert.equal(rolled.code, 0, rolled.err);
  const fresh = new Stripe(JSON.parse(rolled.out).key, platform.stripeOptions());
  assert.equal((await fresh.paymentIntents.list()).data.length, 1);
  const revoked = await platform.command('keys', 'revoke', JSON.parse(rolled.out).key);
  assert.equal(revoked.code, 0, revoked.err);
  const deadline = Date.now() + 8000;
  let refusedKey = false;
  while (!refusedKey && Date.now() < deadline) {
    refusedKey = await fresh.balance.retrieve().then(
      () => false,
      (e) => e.statusCode === 401,
    );
  }
  assert.ok(refusedKey, 'a revoked key still works after 8 s');
});

test('holdfast check ledger proves the books', async () => {
  const checked = await platform.command('check', 'ledger');
  assert.equal(checked.code, 0, checked.out + checked.err);
  const report = JSON.parse(checked.out);
  assert.deepEqual(report.findings, []);
  assert.ok(report.checked.entries > 0);
});

// The whole of the unmodified stripe client that Holdfast serves: every method of its resources,
// pages forward and backward, expansion to its depth, every class of error.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import Stripe from 'stripe';
import { Platform, errorOf, collect, holdfast } from '../support/platform.mjs';
import { setAcquirerFaults } from '../support/load.mjs';

const requestTimeoutS = 5;
let platform;
let stripe;
const called = new Set(); // "GET /v1/customers/cus_..."

before(async () => {
  platform = await Platform.start({
    args: ['--api-request-timeout', String(requestTimeoutS)],
    allow: ['timeout_ladder', 'statement_timeout_unbounded'],
  });
  stripe = new Stripe(platform.ready.secret_key, platform.stripeOptions());
  stripe.on('request', ({ method, path }) => called.add(`${method} ${path.split('?')[0]}`));
});
after(() => platform.end());

const order = { amount: 1099, currency: 'usd', payment_method: 'pm_card_visa' };
const pay = (more = {}) => stripe.paymentIntents.create({ ...order, confirm: true, ...more });
const card = { number: '4242424242424242', exp_month: 8, exp_year: 2040, cvc: '314' };
const customer = () => stripe.customers.create({ name: 'Ada' });
const method = () => stripe.paymentMethods.create({ type: 'card', card: { token: 'tok_visa' } });
const attached = async () => {
  const holder = await customer();
  return stripe.paymentMethods.attach((await method()).id, { customer: holder.id });
};
const held = () => pay({ capture_method: 'manual' });
const refund = async () => stripe.refunds.create({ payment_intent: (await pay()).id, amount: 99 });

/// Every method by resource: how it is called, and what it answers with.
const calls = {
  customers: {
    create: [() => customer(), 'customer'],
    retrieve: [async () => stripe.customers.retrieve((await customer()).id), 'customer'],
    update: [async () => stripe.customers.update((await customer()).id, { name: 'B' }), 'customer'],
    list: [() => stripe.customers.list(), 'list'],
    del: [async () => stripe.customers.del((await customer()).id), 'customer'],
    listPaymentMethods: [
      async () => stripe.customers.listPaymentMethods((await attached()).customer),
      'list',
    ],
    retrievePaymentMethod: [
      async () => {
        const mine = await attached();
        return stripe.customers.retrievePaymentMethod(mine.customer, mine.id);
      },
      'payment_method',
    ],
  },
  paymentMethods: {
    create: [() => method(), 'payment_method'],
    retrieve: [async () => stripe.paymentMethods.retrieve((await method()).id), 'payment_method'],
    update: [
      async () => stripe.paymentMethods.update((await attached()).id, { metadata: { a: 'b' } }),
      'payment_method',
    ],
    list: [() => stripe.paymentMethods.list(), 'list'],
    attach: [() => attached(), 'payment_method'],
    detach: [async () => stripe.paymentMethods.detach((await attached()).id), 'payment_method'],
  },
  tokens: {
    create: [() => stripe.tokens.create({ card }), 'token'],
    retrieve: [
      async () => stripe.tokens.retrieve((await stripe.tokens.create({ card })).id),
      'token',
    ],
  },
  paymentIntents: {
    create: [() => pay(), 'payment_intent'],
    retrieve: [async () => stripe.paymentIntents.retrieve((await pay()).id), 'payment_intent'],
    update: [
      async () => stripe.paymentIntents.update((await pay()).id, { description: 'B' }),
      'payment_intent',
    ],
    confirm: [
      async () => stripe.paymentIntents.confirm((await pay({ confirm: false })).id),
      'payment_intent',
    ],
    capture: [async () => stripe.paymentIntents.capture((await held()).id), 'payment_intent'],
    cancel: [async () => stripe.paymentIntents.cancel((await held()).id), 'payment_intent'],
    list: [() => stripe.paymentIntents.list(), 'list'],
  },
  charges: {
    retrieve: [async () => stripe.charges.retrieve((await pay()).latest_charge), 'charge'],
    update: [
      async () => stripe.charges.update((await pay()).latest_charge, { description: 'B' }),
      'charge',
    ],
    capture: [async () => stripe.charges.capture((await held()).latest_charge), 'charge'],
    list: [() => stripe.charges.list(), 'list'],
  },
  refunds: {
    create: [() => refund(), 'refund'],
    retrieve: [async () => stripe.refunds.retrieve((await refund()).id), 'refund'],
    update: [
      async () => stripe.refunds.update((await refund()).id, { metadata: { a: 'b' } }),
      'refund',
    ],
    list: [() => stripe.refunds.list(), 'list'],
    // card refunds are never in a state in which they could be canceled
    cancel: [
      async () => (await errorOf(stripe.refunds.cancel((await refund()).id))).raw,
      'resource_not_cancelable',
    ],
  },
  events: {
    retrieve: [
      async () => stripe.events.retrieve((await stripe.events.list({ limit: 1 })).data[0].id),
      'event',
    ],
    list: [() => stripe.events.list(), 'list'],
  },
  balance: { retrieve: [() => stripe.balance.retrieve(), 'balance'] },
  balanceTransactions: {
    retrieve: [
      async () => {
        const [first] = (await stripe.balanceTransactions.list({ limit: 1 })).data;
        return stripe.balanceTransactions.retrieve(first.id);
      },
      'balance_transaction',
    ],
    list: [() => stripe.balanceTransactions.list(), 'list'],
  },
};

/// Methods of features that Holdfast does not have, or of Stripe's API before payment intents.
const absent = {
  customers: /Discount|search|BalanceTransaction|CashBalance|FundingInstructions|Source|TaxId/,
  paymentIntents: /search|applyCustomerBalance|increment|verifyMicrodeposits|AmountDetails/,
  charges: /create|search/,
};

for (const [resource, methods] of Object.entries(calls)) {
  test(`every method of stripe.${resource}`, async () => {
    const known = Object.getOwnPropertyNames(Object.getPrototypeOf(stripe[resource])).filter(
      (name) => name !== 'constructor' && !absent[resource]?.test(name),
    );
    assert.deepEqual(known.sort(), Object.keys(methods).sort());
    for (const [name, [call, answer]] of Object.entries(methods)) {
      const object = await call();
      assert.equal(object.object ?? object.code, answer, `${resource}.${name}`);
    }
  });
}

test('the client has called every endpoint but one', async () => {
  const routes = JSON.parse((await holdfast('routes')).out);
  const patternOf = (path) => new RegExp(`^${path.replaceAll('{}', '[a-z]+_[0-9A-Za-z]{22}')}$`);
  const missed = routes.filter(
    (route) =>
      ![...called].some((each) => {
        const [verb, path] = each.split(' ');
        return verb === route.method && patternOf(route.path).test(path);
      }),
  );
  // Charge.refunds.url: no method of the client, but lists inside objects are paged through it.
  assert.deepEqual(
    missed.map((route) => route.path),
    ['/v1/charges/{}/refunds'],
  );
});

test('every list pages forward and backward', async () => {
  const holder = await customer();
  for (let i = 0; i < 5; ++i) {
    await stripe.paymentMethods.attach('pm_card_visa', { customer: holder.id });
    const { id } = await pay({ amount: 1000 + i, customer: holder.id });
    await stripe.refunds.create({ payment_intent: id, amount: 10 + i });
  }
  const lists = {
    customers: [(p) => stripe.customers.list(p)],
    'payment methods': [(p) => stripe.paymentMethods.list({ customer: holder.id, ...p })],
    'payment methods of a customer': [(p) => stripe.customers.listPaymentMethods(holder.id, p)],
    'payment intents': [(p) => stripe.paymentIntents.list({ customer: holder.id, ...p })],
    charges: [(p) => stripe.charges.list({ customer: holder.id, ...p })],
    refunds: [(p) => stripe.refunds.list(p)],
    events: [(p) => stripe.events.list({ type: 'charge.succeeded', ...p })],
    'balance transactions': [(p) => stripe.balanceTransactions.list({ type: 'charge', ...p })],
  };
  for (const [name, [list]] of Object.entries(lists)) {
    const ids = (objects) => objects.map((object) => object.id);
    const whole = ids((await list({ limit: 100 })).data);
    assert.ok(whole.length >= 5, name);
    assert.equal(new Set(whole).size, whole.length, name);
    assert.deepEqual(ids(await collect(list({ limit: 2 }))), whole, `${name} forward`);
    const behind = ids(await collect(list({ limit: 2, starting_after: whole[1] })));
    assert.deepEqual(behind, whole.slice(2), `${name} behind the second`);
    const last = whole.at(-1);
    const backward = ids(await collect(list({ limit: 2, ending_before: last })));
    assert.deepEqual(backward, whole.slice(0, -1).reverse(), `${name} backward`);
    const page = await list({ limit: 2, ending_before: whole[4] });
    assert.deepEqual(ids(page.data), whole.slice(2, 4), `${name} before the fifth`);
    assert.equal(page.has_more, true);
  }
});

test('expansion goes four levels deep, on reads, writes and lists', async () => {
  const holder = await customer();
  const payment = await pay({ customer: holder.id });
  const made = await stripe.refunds.create({
    payment_intent: payment.id,
    amount: 100,
    expand: ['charge.payment_intent.latest_charge.balance_transaction', 'balance_transaction'],
  });
  const { payment_intent: inner } = made.charge;
  assert.equal(inner.id, payment.id);
  assert.equal(inner.latest_charge.balance_transaction.object, 'balance_transaction');
  assert.equal(inner.latest_charge.balance_transaction.source, payment.latest_charge);
  assert.equal(inner.customer, holder.id);
  assert.equal(made.balance_transaction.net, -100);

  const read = await stripe.balanceTransactions.retrieve(made.balance_transaction.id, {
    expand: ['source.charge.payment_intent.customer', 'source.payment_intent.payment_method'],
  });
  assert.equal(read.source.charge.payment_intent.customer.name, 'Ada');
  assert.equal(read.source.payment_intent.payment_method.card.last4, '4242');

  const { data } = await stripe.charges.list({
    payment_intent: payment.id,
    expand: ['data.payment_intent.customer', 'data.refunds', 'data.balance_transaction.source'],
  });
  assert.equal(data[0].payment_intent.customer.id, holder.id);
  assert.equal(data[0].refunds.data[0].id, made.id);
  assert.equal(data[0].balance_transaction.source.id, payment.latest_charge);

  const deeper = 'charge.payment_intent.latest_charge.payment_intent.customer';
  const tooDeep = await errorOf(stripe.refunds.retrieve(made.id, { expand: [deeper] }));
  assert.equal(tooDeep.param, 'expand');
});

// --- Errors -------------------------------------------------------------------------------------

const once = { maxNetworkRetries: 0 };
/// Runs `body` while the acquirer takes its time over every answer.
async function whileSlow(body) {
  const delay = { probability: 1, delay_ms: 1500, delay_max_ms: 1500 };
  await setAcquirerFaults(platform.ready, { seed: 1, modes: { delay } });
  await body().finally(() => setAcquirerFaults(platform.ready, { seed: 1, modes: {} }));
}

test('every class of error that the client has for a server', async () => {
  const { errors } = Stripe;
  const withKey = (key) => new Stripe(key, platform.stripeOptions());
  const expected = [
    [errors.StripeCardError, 402, () => pay({ payment_method: 'pm_card_chargeDeclined' })],
    [errors.StripeInvalidRequestError, 400, () => pay({ amount: -1 })],
    [errors.StripeInvalidRequestError, 404, () => stripe.charges.retrieve('ch_none')],
    [errors.StripeAuthenticationError, 401, () => withKey('sk_test_none').balance.retrieve()],
    [
      errors.StripePermissionError,
      403,
      () => withKey(platform.ready.publishable_key).balance.retrieve(),
    ],
    [
      errors.StripeIdempotencyError,
      400,
      async () => {
        const idempotencyKey = randomUUID();
        await stripe.paymentIntents.create(order, { idempotencyKey });
        await stripe.paymentIntents.create({ ...order, amount: 999 }, { idempotencyKey });
      },
    ],
    [
      errors.StripeConnectionError,
      undefined,
      () =>
        new Stripe('sk_test_x', platform.stripeOptions({ port: 1, ...once })).balance.retrieve(),
    ],
  ];
  for (const [Class, status, call] of expected) {
    const error = await errorOf(call());
    assert.equal(error.constructor, Class, `${error.constructor.name}: ${error.message}`);
    assert.equal(error.statusCode, status);
    if (status) assert.match(error.requestId, /^req_/);
  }
});

test('a second request for what is being paid joins it, or is told to come back', async () => {
  const payment = await pay({ confirm: false });
  await whileSlow(async () => {
    const idempotencyKey = randomUUID();
    const confirm = (options) => stripe.paymentIntents.confirm(payment.id, {}, options);
    const paying = confirm({ idempotencyKey, ...once });
    while ((await stripe.paymentIntents.retrieve(payment.id)).status !== 'processing');
    const same = confirm({ idempotencyKey, ...once });
    const other = await errorOf(confirm(once));
    assert.equal(other.constructor, Stripe.errors.StripeRateLimitError);
    assert.equal(other.statusCode, 429);
    assert.equal(other.code, 'lock_timeout');
    assert.equal((await paying).status, 'succeeded');
    assert.equal((await same).status, 'succeeded');
    assert.equal((await confirm({ idempotencyKey })).status, 'succeeded');
  });
});

// A payment was made; what it shall be shown with can't be read. "Nothing was done" would be a lie.
test('what was done but can not be shown is told as unknown', async () => {
  const { id } = await customer();
  const options = { idempotencyKey: randomUUID() };
  const request = { ...order, confirm: true, customer: id, expand: ['customer'] };
  const untilTooLate = `SELECT pg_sleep(${requestTimeoutS + 1})`;
  const hideCustomers = `BEGIN; LOCK TABLE customers; ${untilTooLate}; COMMIT`;
  await whileSlow(async () => {
    const paying = errorOf(stripe.paymentIntents.create(request, { ...options, ...once }));
    while ((await stripe.paymentIntents.list({ customer: id })).data[0]?.status !== 'processing');
    const [error] = await Promise.all([paying, platform.sql(hideCustomers)]);
    assert.equal(error.statusCode, 503);
    assert.match(error.message, /not known yet/);
    assert.equal(error.headers['stripe-should-retry'], 'true');
  });
  const payment = await stripe.paymentIntents.create(request, options);
  assert.equal(payment.status, 'succeeded');
  assert.equal(payment.customer.id, id);
});

test('what can not be done in time is a 503 that may be repeated', async () => {
  const { pid } = platform.services().find(({ name }) => name === 'acquirer');
  const tokenize = (options) => stripe.tokens.create({ card }, options);
  const options = { idempotencyKey: randomUUID() };
  process.kill(pid, 'SIGSTOP');
  const error = await errorOf(tokenize({ ...options, ...once })).finally(() =>
    process.kill(pid, 'SIGCONT'),
  );
  assert.equal(error.constructor, Stripe.errors.StripeAPIError, error.message);
  assert.equal(error.statusCode, 503);
  assert.equal(error.type, 'StripeAPIError');
  assert.equal(error.headers['stripe-should-retry'], 'true');
  assert.equal((await tokenize(options)).object, 'token');
});

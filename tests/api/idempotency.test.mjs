// The same key is the same request: replays, mismatches, two instances, midnight.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import Stripe from 'stripe';
import { Platform, errorOf } from '../support/platform.mjs';

let platform;
let stripe;

before(async () => {
  platform = await Platform.start({ instances: 2 });
  stripe = new Stripe(platform.ready.secret_key, platform.stripeOptions());
});
after(() => platform.end());

const order = { amount: 1099, currency: 'usd', payment_method: 'pm_card_visa', confirm: true };
const withKey = (idempotencyKey) => ({ idempotencyKey });

test('a repeat gets the first answer, marked as a replay', async () => {
  const key = randomUUID();
  const first = await stripe.paymentIntents.create(order, withKey(key));
  await stripe.paymentIntents.update(first.id, { description: 'changed since' });
  const again = await stripe.paymentIntents.create(order, withKey(key));
  assert.equal(again.id, first.id);
  assert.equal(again.description, null); // as it was answered then
  assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
  assert.equal(again.lastResponse.headers['original-request'], first.lastResponse.requestId);
  assert.equal(again.lastResponse.headers['idempotency-key'], key);
  assert.equal(first.lastResponse.headers['idempotent-replayed'], undefined);
});

test('other parameters under the same key are refused', async () => {
  const key = randomUUID();
  await stripe.paymentIntents.create(order, withKey(key));
  const error = await errorOf(
    stripe.paymentIntents.create({ ...order, amount: 1100 }, withKey(key)),
  );
  assert.ok(error instanceof Stripe.errors.StripeIdempotencyError, error.constructor.name);
  assert.equal(error.statusCode, 400);
});

test('the order of parameters does not matter', async () => {
  const headers = { 'Idempotency-Key': randomUUID() };
  const a = await platform.raw('POST', '/v1/customers', { headers, body: 'name=A&email=a%40b.c' });
  const b = await platform.raw('POST', '/v1/customers', { headers, body: 'email=a%40b.c&name=A' });
  assert.equal(a.status, 200);
  assert.equal(b.json.id, a.json.id);
});

test('a slash at the end of the path is no other request', async () => {
  const headers = { 'Idempotency-Key': randomUUID() };
  const body = 'amount=1099&currency=usd&payment_method=pm_card_visa&confirm=true';
  const a = await platform.raw('POST', '/v1/payment_intents', { headers, body });
  const b = await platform.raw('POST', '/v1/payment_intents/', { headers, body });
  assert.equal(a.status, 200);
  assert.equal(b.json.id, a.json.id);
});

test('the key belongs to the endpoint', async () => {
  const key = randomUUID();
  const payment = await stripe.paymentIntents.create(order, withKey(key));
  const refund = await stripe.refunds.create({ payment_intent: payment.id }, withKey(key));
  assert.equal(refund.object, 'refund');
  const customer = await stripe.customers.create({ name: 'same key' }, withKey(key));
  assert.equal(customer.object, 'customer');
});

test('every kind of POST can be repeated', async () => {
  const twice = async (call) => {
    const options = withKey(randomUUID());
    const [a, b] = [await call(options), await call(options)];
    assert.equal(a.id, b.id);
    assert.equal(b.lastResponse.headers['idempotent-replayed'], 'true');
    return a;
  };
  const customer = await twice((o) => stripe.customers.create({ name: 'A' }, o));
  const payment = await twice((o) =>
    stripe.paymentIntents.create({ amount: 900, currency: 'usd', capture_method: 'manual' }, o),
  );
  await twice((o) => stripe.paymentIntents.update(payment.id, { description: 'd' }, o));
  await twice((o) =>
    stripe.paymentIntents.confirm(payment.id, { payment_method: 'pm_card_visa' }, o),
  );
  await twice((o) => stripe.paymentIntents.capture(payment.id, {}, o));
  await twice((o) => stripe.refunds.create({ payment_intent: payment.id, amount: 100 }, o));
  const method = await twice((o) =>
    stripe.paymentMethods.create({ type: 'card', card: { token: 'tok_visa' } }, o),
  );
  await twice((o) => stripe.paymentMethods.attach(method.id, { customer: customer.id }, o));
  await twice((o) => stripe.paymentMethods.detach(method.id, {}, o));
  const open = await stripe.paymentIntents.create({ amount: 900, currency: 'usd' });
  await twice((o) => stripe.paymentIntents.cancel(open.id, {}, o));
  const refunds = await stripe.refunds.list({ payment_intent: payment.id });
  assert.equal(refunds.data.length, 1);
});

test('a declined payment stays declined under its key', async () => {
  const key = randomUUID();
  const declined = { ...order, payment_method: 'pm_card_chargeDeclined' };
  const first = await errorOf(stripe.paymentIntents.create(declined, withKey(key)));
  const second = await errorOf(stripe.paymentIntents.create(declined, withKey(key)));
  assert.equal(second.code, 'card_declined');
  assert.equal(second.payment_intent.id, first.payment_intent.id);
  assert.equal(second.charge, first.charge);
  assert.equal(second.headers['idempotent-replayed'], 'true');
});

test('a refused request does not use its key up', async () => {
  const key = randomUUID();
  const error = await errorOf(stripe.paymentIntents.create({ ...order, amount: -1 }, withKey(key)));
  assert.equal(error.statusCode, 400);
  const payment = await stripe.paymentIntents.create(order, withKey(key));
  assert.equal(payment.status, 'succeeded');
});

test('many at once, to both instances, are one payment', async () => {
  for (let round = 0; round < 5; ++round) {
    const key = randomUUID();
    const answers = await Promise.allSettled(
      Array.from({ length: 12 }, () =>
        stripe.paymentIntents.create(
          { ...order, metadata: { round: String(round), key } },
          { idempotencyKey: key, maxNetworkRetries: 5 },
        ),
      ),
    );
    const ids = new Set();
    for (const answer of answers) {
      if (answer.status === 'fulfilled') ids.add(answer.value.id);
      else assert.equal(answer.reason.statusCode, 409, answer.reason.message);
    }
    assert.equal(ids.size, 1);
    const payment = await stripe.paymentIntents.create(
      { ...order, metadata: { round: String(round), key } },
      withKey(key),
    );
    const charges = await stripe.charges.list({ payment_intent: payment.id });
    assert.equal(charges.data.length, 1);
    assert.equal(charges.data[0].amount, 1099);
  }
});

test('two confirms at once under different keys charge once', async () => {
  const payment = await stripe.paymentIntents.create({
    amount: 4321,
    currency: 'usd',
    payment_method: 'pm_card_visa',
  });
  const answers = await Promise.allSettled(
    Array.from({ length: 6 }, () =>
      stripe.paymentIntents.confirm(payment.id, {}, { maxNetworkRetries: 0 }),
    ),
  );
  assert.ok(answers.some((a) => a.status === 'fulfilled'));
  const charges = await stripe.charges.list({ payment_intent: payment.id });
  assert.equal(charges.data.length, 1);
});

test('a key of 255 characters is taken, a longer one refused', async () => {
  const ok = await stripe.customers.create({}, withKey('k'.repeat(255)));
  assert.equal(ok.object, 'customer');
  const error = await errorOf(stripe.customers.create({}, withKey('k'.repeat(256))));
  assert.equal(error.statusCode, 400);
});

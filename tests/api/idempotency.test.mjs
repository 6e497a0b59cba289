// The same key is the same request: replays, mismatches, two instances, answers no longer kept.
// On both sides of midnight: midnight.test.mjs.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import Stripe from 'stripe';
import { Platform, errorOf } from '../support/platform.mjs';
import { acquirerPurchases } from '../support/load.mjs';

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

// --- Answers that are no longer kept: the identity of what the key made is what holds ------------

const forgetAnswers = () => platform.sql('DELETE FROM replays');
const purchase = () => {
  const metadata = { purchase_id: randomUUID() };
  return { order: { ...order, metadata }, charges: () => chargesOf(metadata.purchase_id) };
};
const chargesOf = async (id) => (await acquirerPurchases(platform.ready)).get(id)?.charges;

test('a payment whose answer has expired is found as it is now, charged once', async () => {
  const { order: bought, charges } = purchase();
  const options = withKey(randomUUID());
  const first = await stripe.paymentIntents.create(bought, options);
  await stripe.paymentIntents.update(first.id, { description: 'changed since' });
  await stripe.refunds.create({ payment_intent: first.id, amount: 99 });
  await forgetAnswers();
  for (let n = 0; n < 3; ++n) {
    const again = await stripe.paymentIntents.create(bought, options);
    assert.equal(again.id, first.id);
    assert.equal(again.latest_charge, first.latest_charge);
    assert.equal(again.status, 'succeeded');
    assert.equal(again.description, 'changed since');
  }
  assert.equal((await stripe.charges.list({ payment_intent: first.id })).data.length, 1);
  assert.equal(await charges(), 1);
  const other = await errorOf(stripe.paymentIntents.create({ ...bought, amount: 1 }, options));
  assert.ok(other instanceof Stripe.errors.StripeIdempotencyError, other.message);
});

test('a payment that was declined is declined again, without asking the issuer', async () => {
  const { order: bought } = purchase();
  const declined = { ...bought, payment_method: 'pm_card_chargeDeclined' };
  const options = withKey(randomUUID());
  const first = await errorOf(stripe.paymentIntents.create(declined, options));
  await forgetAnswers();
  const again = await errorOf(stripe.paymentIntents.create(declined, options));
  assert.equal(again.code, 'card_declined');
  assert.equal(again.payment_intent.id, first.payment_intent.id);
  const charges = await stripe.charges.list({ payment_intent: first.payment_intent.id });
  assert.equal(charges.data.length, 1);
});

test('steps of a payment whose answers have expired are not done again', async () => {
  const { order: bought, charges } = purchase();
  const keys = Array.from({ length: 4 }, () => withKey(randomUUID()));
  const { id } = await stripe.paymentIntents.create(
    { ...bought, confirm: false, capture_method: 'manual' },
    keys[0],
  );
  const steps = [
    () => stripe.paymentIntents.confirm(id, {}, keys[1]),
    () => stripe.paymentIntents.capture(id, { amount_to_capture: 500 }, keys[2]),
    () => stripe.refunds.create({ payment_intent: id, amount: 100 }, keys[3]),
  ];
  const settled = (step) =>
    step().then(
      (done) => done,
      (error) => {
        assert.equal(error.code, 'payment_intent_unexpected_state', error.message);
      },
    );
  for (const step of steps) {
    const first = await step();
    await forgetAnswers();
    const again = await settled(step);
    if (again) assert.equal(again.id, first.id);
  }
  const charge = (await stripe.charges.list({ payment_intent: id })).data[0];
  assert.equal(charge.amount_captured, 500);
  assert.equal(charge.amount_refunded, 599 + 100); // what was released counts, as in Stripe's API
  assert.equal(await charges(), 1);
  assert.equal((await stripe.refunds.list({ payment_intent: id })).data.length, 1);
});

test('whatever a key has made is found under it for ever', async () => {
  const source = await stripe.tokens.create({
    card: { number: '4242424242424242', exp_month: 8, exp_year: new Date().getFullYear() + 1 },
  });
  const holder = await stripe.customers.create({});
  const makers = [
    (o) => stripe.customers.create({ name: 'A' }, o),
    (o) => stripe.paymentMethods.create({ type: 'card', card: { token: 'tok_visa' } }, o),
    (o) => stripe.paymentMethods.create({ type: 'card', card: { token: source.id } }, o),
    (o) => stripe.paymentMethods.attach('pm_card_visa', { customer: holder.id }, o),
    (o) =>
      stripe.tokens.create(
        { card: { number: '5555555555554444', exp_month: 8, exp_year: 2040, cvc: '123' } },
        o,
      ),
  ];
  for (const make of makers) {
    const options = withKey(randomUUID());
    const first = await make(options);
    await forgetAnswers();
    assert.equal((await make(options)).id, first.id, make.toString());
  }
  assert.equal((await stripe.paymentMethods.list({ customer: holder.id })).data.length, 1);
});

test('a charge captured under a key is answered again under it', async () => {
  const authorized = await stripe.paymentIntents.create({ ...order, capture_method: 'manual' });
  const options = withKey(randomUUID());
  const first = await stripe.charges.capture(authorized.latest_charge, {}, options);
  const again = await stripe.charges.capture(authorized.latest_charge, {}, options);
  assert.equal(again.id, first.id);
  assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
  const other = await errorOf(stripe.charges.capture(authorized.latest_charge));
  assert.equal(other.code, 'charge_already_captured');
});

// Customers, payment methods and tokens through the unmodified stripe client.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import Stripe from 'stripe';
import { Platform, errorOf, collect } from '../support/platform.mjs';

let platform;
let stripe;

before(async () => {
  platform = await Platform.start();
  stripe = new Stripe(platform.ready.secret_key, platform.stripeOptions());
});
after(() => platform.end());

const nextYear = new Date().getFullYear() + 1;
const card = (number, more = {}) => ({
  number,
  exp_month: 8,
  exp_year: nextYear,
  cvc: '314',
  ...more,
});

test('customers: create, retrieve, update, clear, list, delete', async () => {
  const customer = await stripe.customers.create({
    name: 'Ada Lovelace',
    email: 'ada@example.com',
    phone: '+4912345',
    description: 'first',
    address: { line1: 'Main St 1', city: 'Berlin', country: 'DE', postal_code: '10115' },
    shipping: { name: 'Ada', address: { line1: 'Side St 2' } },
    preferred_locales: ['de', 'en'],
    metadata: { tier: 'gold' },
  });
  assert.match(customer.id, /^cus_[0-9A-Za-z]{22}$/);
  assert.equal(customer.address.city, 'Berlin');
  assert.deepEqual(customer.preferred_locales, ['de', 'en']);
  assert.deepEqual((await stripe.customers.retrieve(customer.id)).metadata, { tier: 'gold' });

  const updated = await stripe.customers.update(customer.id, {
    name: 'Ada King',
    description: '',
    shipping: '',
    metadata: { tier: '', vip: 'yes' },
  });
  assert.equal(updated.name, 'Ada King');
  assert.equal(updated.description, null);
  assert.equal(updated.shipping, null);
  assert.equal(updated.email, 'ada@example.com');
  assert.deepEqual(updated.metadata, { vip: 'yes' });

  const found = await stripe.customers.list({ email: 'ada@example.com' });
  assert.deepEqual(
    found.data.map((c) => c.id),
    [customer.id],
  );

  const deleted = await stripe.customers.del(customer.id);
  assert.deepEqual({ ...deleted }, { id: customer.id, object: 'customer', deleted: true });
  assert.equal((await stripe.customers.retrieve(customer.id)).deleted, true);
  const gone = await errorOf(stripe.customers.update(customer.id, { name: 'x' }));
  assert.equal(gone.code, 'resource_missing');
  assert.equal((await stripe.customers.list({ email: 'ada@example.com' })).data.length, 0);
});

test('auto-pagination goes through all customers', async () => {
  const made = [];
  for (let i = 0; i < 12; ++i)
    made.unshift((await stripe.customers.create({ email: 'many@example.com', name: `n${i}` })).id);
  const seen = await stripe.customers
    .list({ email: 'many@example.com', limit: 5 })
    .autoPagingToArray({ limit: 100 });
  assert.deepEqual(
    seen.map((c) => c.id),
    made,
  );
});

test('payment methods: attach, list, default, pay, detach', async () => {
  const customer = await stripe.customers.create({ name: 'Card Holder' });
  const method = await stripe.paymentMethods.create({
    type: 'card',
    card: card('4242424242424242'),
    billing_details: { name: 'Card Holder', address: { postal_code: '12345' } },
    metadata: { slot: '1' },
  });
  assert.equal(method.card.last4, '4242');
  assert.equal(method.card.brand, 'visa');
  assert.equal(method.customer, null);
  assert.equal(JSON.stringify(method).includes('4242424242424242'), false);

  const attached = await stripe.paymentMethods.attach(method.id, { customer: customer.id });
  assert.equal(attached.customer, customer.id);
  const second = await stripe.paymentMethods.attach('pm_card_amex', { customer: customer.id });
  assert.equal(second.card.brand, 'amex');
  const mine = await stripe.paymentMethods.list({ customer: customer.id, type: 'card' });
  assert.deepEqual(
    mine.data.map((m) => m.id),
    [second.id, method.id],
  );
  assert.deepEqual(
    (await collect(stripe.customers.listPaymentMethods(customer.id))).map((m) => m.id),
    [second.id, method.id],
  );
  assert.equal(
    (await stripe.customers.retrievePaymentMethod(customer.id, method.id)).id,
    method.id,
  );

  const withDefault = await stripe.customers.update(customer.id, {
    invoice_settings: { default_payment_method: method.id },
  });
  assert.equal(withDefault.invoice_settings.default_payment_method, method.id);

  const payment = await stripe.paymentIntents.create({
    amount: 1234,
    currency: 'usd',
    customer: customer.id,
    payment_method: method.id,
    confirm: true,
    off_session: true,
  });
  assert.equal(payment.status, 'succeeded');

  const other = await stripe.customers.create({});
  const foreign = await errorOf(
    stripe.paymentIntents.create({
      amount: 1234,
      currency: 'usd',
      customer: other.id,
      payment_method: method.id,
      confirm: true,
    }),
  );
  assert.equal(foreign.statusCode, 400);

  const updated = await stripe.paymentMethods.update(method.id, {
    card: { exp_month: 12, exp_year: nextYear + 1 },
    billing_details: { email: 'holder@example.com' },
    metadata: { slot: '2' },
  });
  assert.equal(updated.card.exp_month, 12);
  assert.equal(updated.billing_details.email, 'holder@example.com');

  const detached = await stripe.paymentMethods.detach(method.id);
  assert.equal(detached.customer, null);
  const reuse = await errorOf(stripe.paymentMethods.attach(method.id, { customer: customer.id }));
  assert.equal(reuse.statusCode, 400);
});

test('tokens are used once', async () => {
  const token = await stripe.tokens.create({ card: card('5555555555554444', { name: 'T' }) });
  assert.equal(token.object, 'token');
  assert.equal(token.card.brand, 'MasterCard');
  assert.equal(token.used, false);
  const method = await stripe.paymentMethods.create({ type: 'card', card: { token: token.id } });
  assert.equal(method.card.brand, 'mastercard');
  assert.equal((await stripe.tokens.retrieve(token.id)).used, true);
  const again = await errorOf(
    stripe.paymentMethods.create({ type: 'card', card: { token: token.id } }),
  );
  assert.equal(again.code, 'token_already_used');
  const builtIn = await stripe.paymentMethods.create({ type: 'card', card: { token: 'tok_visa' } });
  assert.equal(builtIn.card.last4, '4242');
});

test('payment_method_data and setup_future_usage keep the card for later', async () => {
  const customer = await stripe.customers.create({});
  const payment = await stripe.paymentIntents.create({
    amount: 900,
    currency: 'usd',
    customer: customer.id,
    payment_method_data: { type: 'card', card: { token: 'tok_mastercard' } },
    setup_future_usage: 'off_session',
    confirm: true,
    expand: ['payment_method'],
  });
  assert.equal(payment.status, 'succeeded');
  assert.equal(payment.payment_method.customer, customer.id);
  const saved = await stripe.paymentMethods.list({ customer: customer.id });
  assert.equal(saved.data.length, 1);
});

test('bad cards are refused where they are given', async () => {
  const cases = [
    [card('4242424242424241'), 'incorrect_number', 'number'],
    [card('12'), 'invalid_number', 'number'],
    [card('4242424242424242', { exp_month: 13 }), undefined, undefined],
    [card('4242424242424242', { exp_year: 2019 }), 'invalid_expiry_year', 'exp_year'],
    [card('4242424242424242', { cvc: '1' }), 'invalid_cvc', 'cvc'],
  ];
  for (const [data, code, param] of cases) {
    const error = await errorOf(stripe.paymentMethods.create({ type: 'card', card: data }));
    assert.ok([400, 402].includes(error.statusCode), JSON.stringify(error.raw));
    if (code) assert.equal(error.code, code);
    if (param) assert.equal(error.param, param);
  }
});

test('a card that will be declined is declined when it is attached', async () => {
  const customer = await stripe.customers.create({});
  const declined = await errorOf(
    stripe.paymentMethods.attach('pm_card_chargeDeclined', { customer: customer.id }),
  );
  assert.ok(declined instanceof Stripe.errors.StripeCardError);
  assert.equal(declined.code, 'card_declined');
  const later = await stripe.paymentMethods.attach('pm_card_chargeCustomerFail', {
    customer: customer.id,
  });
  const error = await errorOf(
    stripe.paymentIntents.create({
      amount: 800,
      currency: 'usd',
      customer: customer.id,
      payment_method: later.id,
      confirm: true,
    }),
  );
  assert.equal(error.code, 'card_declined');
});

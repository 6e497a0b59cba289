// Payments through the unmodified stripe client: create, confirm, capture, refund, cancel, list.

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

const paid = (more = {}) =>
  stripe.paymentIntents.create({
    amount: 1099,
    currency: 'usd',
    payment_method: 'pm_card_visa',
    confirm: true,
    ...more,
  });

test('a payment created and confirmed in one call succeeds', async () => {
  const payment = await paid({ metadata: { purchase_id: 'p-1' }, description: 'Blue shirt' });
  assert.equal(payment.object, 'payment_intent');
  assert.equal(payment.status, 'succeeded');
  assert.equal(payment.amount_received, 1099);
  assert.equal(payment.metadata.purchase_id, 'p-1');
  assert.equal(payment.livemode, false);
  assert.match(payment.id, /^pi_[0-9A-Za-z]{22}$/);
  assert.ok(payment.client_secret.startsWith(`${payment.id}_secret_`));
  assert.match(payment.lastResponse.requestId, /^req_/);

  const charge = await stripe.charges.retrieve(payment.latest_charge, {
    expand: ['balance_transaction', 'payment_intent', 'customer'],
  });
  assert.equal(charge.status, 'succeeded');
  assert.equal(charge.paid, true);
  assert.equal(charge.captured, true);
  assert.equal(charge.amount_captured, 1099);
  assert.equal(charge.payment_intent.id, payment.id);
  assert.equal(charge.customer, null);
  assert.equal(charge.payment_method_details.card.last4, '4242');
  assert.equal(charge.outcome.type, 'authorized');
  // 2.9 % of 10.99 is 31.871 cents, rounded half to even, plus 30
  assert.equal(charge.balance_transaction.amount, 1099);
  assert.equal(charge.balance_transaction.fee, 62);
  assert.equal(charge.balance_transaction.net, 1037);
  assert.equal(charge.balance_transaction.type, 'charge');
});

test('create, update, then confirm', async () => {
  const created = await stripe.paymentIntents.create({ amount: 2000, currency: 'eur' });
  assert.equal(created.status, 'requires_payment_method');
  assert.equal(created.payment_method, null);
  assert.equal(created.latest_charge, null);
  const updated = await stripe.paymentIntents.update(created.id, {
    amount: 2500,
    description: 'changed',
    metadata: { a: '1', b: '2' },
    payment_method: 'pm_card_mastercard',
  });
  assert.equal(updated.amount, 2500);
  assert.equal(updated.status, 'requires_confirmation');
  const cleared = await stripe.paymentIntents.update(created.id, {
    metadata: { a: '' },
    description: '',
  });
  assert.deepEqual(cleared.metadata, { b: '2' });
  assert.equal(cleared.description, null);
  const confirmed = await stripe.paymentIntents.confirm(created.id, {
    expand: ['payment_method', 'latest_charge.balance_transaction'],
  });
  assert.equal(confirmed.status, 'succeeded');
  assert.equal(confirmed.payment_method.card.brand, 'mastercard');
  assert.equal(confirmed.latest_charge.balance_transaction.currency, 'eur');
  const again = await errorOf(stripe.paymentIntents.confirm(created.id));
  assert.equal(again.code, 'payment_intent_unexpected_state');
  assert.ok(again instanceof Stripe.errors.StripeInvalidRequestError);
});

test('manual capture: all, part, and cancel', async () => {
  const authorized = await paid({ capture_method: 'manual' });
  assert.equal(authorized.status, 'requires_capture');
  assert.equal(authorized.amount_capturable, 1099);
  assert.equal(authorized.amount_received, 0);
  const whole = await stripe.paymentIntents.capture(authorized.id);
  assert.equal(whole.status, 'succeeded');
  assert.equal(whole.amount_received, 1099);
  assert.equal(whole.amount_capturable, 0);

  const second = await paid({ capture_method: 'manual' });
  const part = await stripe.paymentIntents.capture(second.id, {
    amount_to_capture: 500,
    expand: ['latest_charge'],
  });
  assert.equal(part.amount_received, 500);
  assert.equal(part.latest_charge.amount_captured, 500);

  const third = await paid({ capture_method: 'manual' });
  const over = await errorOf(stripe.paymentIntents.capture(third.id, { amount_to_capture: 2000 }));
  assert.equal(over.statusCode, 400);
  const canceled = await stripe.paymentIntents.cancel(third.id, {
    cancellation_reason: 'requested_by_customer',
  });
  assert.equal(canceled.status, 'canceled');
  assert.equal(canceled.cancellation_reason, 'requested_by_customer');
  assert.ok(canceled.canceled_at > 0);
  const late = await errorOf(stripe.paymentIntents.capture(third.id));
  assert.equal(late.code, 'payment_intent_unexpected_state');
  const done = await errorOf(stripe.paymentIntents.cancel(whole.id));
  assert.equal(done.code, 'payment_intent_unexpected_state');
});

test('refunds: part, rest, and not a cent more', async () => {
  const payment = await paid();
  const part = await stripe.refunds.create({
    payment_intent: payment.id,
    amount: 400,
    reason: 'requested_by_customer',
    metadata: { why: 'late' },
  });
  assert.equal(part.status, 'succeeded');
  assert.equal(part.amount, 400);
  assert.equal(part.charge, payment.latest_charge);
  const tooMuch = await errorOf(
    stripe.refunds.create({ charge: payment.latest_charge, amount: 700 }),
  );
  assert.equal(tooMuch.statusCode, 400);
  const rest = await stripe.refunds.create({ charge: payment.latest_charge });
  assert.equal(rest.amount, 699);
  const charge = await stripe.charges.retrieve(payment.latest_charge, { expand: ['refunds'] });
  assert.equal(charge.refunded, true);
  assert.equal(charge.amount_refunded, 1099);
  assert.equal(charge.refunds.data.length, 2);
  const none = await errorOf(stripe.refunds.create({ payment_intent: payment.id }));
  assert.equal(none.code, 'charge_already_refunded');
  const updated = await stripe.refunds.update(part.id, { metadata: { why: 'lost' } });
  assert.equal(updated.metadata.why, 'lost');
  assert.equal((await stripe.refunds.retrieve(part.id)).id, part.id);
  const listed = await stripe.refunds.list({ payment_intent: payment.id });
  assert.deepEqual(
    listed.data.map((r) => r.id),
    [rest.id, part.id],
  );
  const cancel = await errorOf(stripe.refunds.cancel(part.id));
  assert.equal(cancel.statusCode, 400);
  const txn = await stripe.balanceTransactions.retrieve(part.balance_transaction, {
    expand: ['source'],
  });
  assert.equal(txn.amount, -400);
  assert.equal(txn.source.id, part.id);
});

test('declines carry the reason and leave a payable payment', async () => {
  const declines = {
    pm_card_chargeDeclined: ['card_declined', 'generic_decline'],
    pm_card_chargeDeclinedInsufficientFunds: ['card_declined', 'insufficient_funds'],
    pm_card_chargeDeclinedExpiredCard: ['expired_card', undefined],
    pm_card_chargeDeclinedIncorrectCvc: ['incorrect_cvc', undefined],
    pm_card_chargeDeclinedProcessingError: ['processing_error', undefined],
  };
  for (const [method, [code, declineCode]] of Object.entries(declines)) {
    const error = await errorOf(paid({ payment_method: method }));
    assert.ok(error instanceof Stripe.errors.StripeCardError, method);
    assert.equal(error.statusCode, 402);
    assert.equal(error.code, code, method);
    if (declineCode) assert.equal(error.decline_code, declineCode, method);
    assert.equal(error.payment_intent.status, 'requires_payment_method');
    const charge = await stripe.charges.retrieve(error.payment_intent.latest_charge);
    assert.equal(charge.status, 'failed');
    assert.equal(charge.paid, false);
    assert.equal(charge.failure_code, code);
    assert.equal(charge.outcome.type, 'issuer_declined');
  }
  const error = await errorOf(paid({ payment_method: 'pm_card_chargeDeclined' }));
  const retried = await stripe.paymentIntents.confirm(error.payment_intent.id, {
    payment_method: 'pm_card_visa',
  });
  assert.equal(retried.status, 'succeeded');
  assert.equal(retried.last_payment_error, null);
});

test('lists page both ways and filter', async () => {
  const customer = await stripe.customers.create({ email: 'pages@example.com' });
  const ids = [];
  for (let i = 0; i < 7; ++i)
    ids.unshift((await paid({ amount: 1000 + i, customer: customer.id })).id);
  const all = await collect(stripe.paymentIntents.list({ customer: customer.id, limit: 3 }));
  assert.deepEqual(
    all.map((p) => p.id),
    ids,
  );
  const first = await stripe.paymentIntents.list({ customer: customer.id, limit: 3 });
  assert.equal(first.has_more, true);
  assert.equal(first.url, '/v1/payment_intents');
  const back = await stripe.paymentIntents.list({
    customer: customer.id,
    ending_before: ids[5],
    limit: 2,
  });
  assert.deepEqual(
    back.data.map((p) => p.id),
    [ids[3], ids[4]],
  );
  assert.equal(back.has_more, true);
  const now = Math.floor(Date.now() / 1000);
  assert.equal((await stripe.paymentIntents.list({ created: { gt: now + 60 } })).data.length, 0);
  const charges = await collect(stripe.charges.list({ customer: customer.id, limit: 2 }));
  assert.equal(charges.length, 7);
  const expanded = await stripe.paymentIntents.list({
    customer: customer.id,
    limit: 1,
    expand: ['data.latest_charge', 'data.customer'],
  });
  assert.equal(expanded.data[0].latest_charge.amount, 1006);
  assert.equal(expanded.data[0].customer.email, 'pages@example.com');
});

test('money shows in the balance, its transactions and the events', async () => {
  const before = await stripe.balance.retrieve();
  const pending = (b) => b.pending.find((p) => p.currency === 'chf')?.amount ?? 0;
  const payment = await paid({ amount: 5000, currency: 'chf' });
  const afterwards = await stripe.balance.retrieve();
  assert.equal(pending(afterwards) - pending(before), 5000 - (145 + 30));
  const transactions = await stripe.balanceTransactions.list({ source: payment.latest_charge });
  assert.equal(transactions.data.length, 1);
  assert.equal(transactions.data[0].net, 4825);
  const types = new Set();
  for await (const event of stripe.events.list({ limit: 50 })) {
    if (event.data.object.id === payment.id || event.data.object.payment_intent === payment.id)
      types.add(event.type);
    if (event.created < payment.created) break;
  }
  for (const type of ['payment_intent.created', 'payment_intent.succeeded', 'charge.succeeded'])
    assert.ok(types.has(type), type);
  const [event] = (await stripe.events.list({ type: 'payment_intent.succeeded', limit: 1 })).data;
  assert.equal((await stripe.events.retrieve(event.id)).id, event.id);
  assert.equal(event.api_version, '2026-10-28.endive');
  assert.match(event.request.id, /^req_/);
});

test('zero-decimal and three-decimal currencies', async () => {
  assert.equal((await paid({ amount: 500, currency: 'jpy' })).status, 'succeeded');
  assert.equal((await paid({ amount: 5000, currency: 'kwd' })).status, 'succeeded');
  const small = await errorOf(paid({ amount: 1 }));
  assert.equal(small.code, 'amount_too_small');
  const large = await errorOf(paid({ amount: 100_000_000 }));
  assert.equal(large.code, 'amount_too_large');
});

test('a payer confirms with a publishable key and the client secret', async () => {
  const payment = await stripe.paymentIntents.create({ amount: 1500, currency: 'usd' });
  const payer = new Stripe(platform.ready.publishable_key, platform.stripeOptions());
  const denied = await errorOf(payer.paymentIntents.retrieve(payment.id));
  assert.equal(denied.statusCode, 400);
  const wrong = await errorOf(
    payer.paymentIntents.confirm(payment.id, {
      client_secret: `${payment.id}_secret_wrong`,
      payment_method: 'pm_card_visa',
    }),
  );
  assert.equal(wrong.statusCode, 400);
  const meddled = await errorOf(
    payer.paymentIntents.confirm(payment.id, {
      client_secret: payment.client_secret,
      payment_method: 'pm_card_visa',
      capture_method: 'manual', // would leave the merchant unpaid
    }),
  );
  assert.equal(meddled.code, 'parameter_unknown');
  const confirmed = await payer.paymentIntents.confirm(payment.id, {
    client_secret: payment.client_secret,
    payment_method: 'pm_card_visa',
  });
  assert.equal(confirmed.status, 'succeeded');
  assert.equal(confirmed.customer, undefined);
  assert.equal(confirmed.metadata, undefined);
  const refused = await errorOf(payer.refunds.create({ payment_intent: payment.id }));
  assert.ok(refused instanceof Stripe.errors.StripePermissionError);
});

test('charges can be described after the fact', async () => {
  const payment = await paid();
  const charge = await stripe.charges.update(payment.latest_charge, {
    description: 'Order 7',
    metadata: { order: '7' },
  });
  assert.equal(charge.description, 'Order 7');
  assert.equal(charge.metadata.order, '7');
  const authorized = await paid({ capture_method: 'manual' });
  const captured = await stripe.charges.capture(authorized.latest_charge);
  assert.equal(captured.captured, true);
});

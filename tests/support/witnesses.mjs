// The three witnesses of what became of every purchase: what the clients were told (Shop), our
// ledger (`holdfast check ledger`), the acquirer's books.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import Stripe from 'stripe';
import { acquirerPurchases, setAcquirerFaults } from './load.mjs';

const resolvePatienceMs = 60_000;

export async function readyAgain(platform) {
  const until = Date.now() + 60_000;
  while (Date.now() < until) {
    const answer = await platform.raw('GET', '/readyz', { key: null }).catch(() => null);
    if (answer?.status === 200) return;
    await pause(50);
  }
  throw new Error(`not ready again within a minute\n${platform.output}`);
}

async function ledgerIsClean(platform) {
  const until = Date.now() + resolvePatienceMs;
  for (;;) {
    const checked = await platform.command('check', 'ledger');
    if (checked.code === 0) return JSON.parse(checked.out);
    if (Date.now() > until) throw new Error(`the ledger differs: ${checked.out}${checked.err}`);
    await pause(1000);
  }
}

/// No payment is processing any more: every unknown outcome has been resolved.
async function allResolved(stripe, shop) {
  const until = Date.now() + resolvePatienceMs;
  const open = [...shop.purchases.values()].filter((p) => p.status === 'processing');
  for (const purchase of open) {
    for (;;) {
      const payment = await stripe.paymentIntents.retrieve(purchase.payment);
      purchase.status = payment.status;
      if (payment.status !== 'processing') break;
      assert.ok(Date.now() < until, `${purchase.payment} is still processing`);
      await pause(250);
    }
    if (purchase.status === 'requires_payment_method') purchase.declined = true;
  }
}

/// Ends the shopping, waits until every outcome is known, and compares the witnesses: nothing that
/// was acknowledged is lost, nothing is charged twice, ledger and books agree. Answers with how
/// many purchases succeeded and with the ledger's report.
export async function settle(platform, shop) {
  await shop.stop();
  await setAcquirerFaults(platform.ready, { seed: 1, modes: {} });
  const stripe = new Stripe(platform.ready.secret_key, platform.stripeOptions());
  await allResolved(stripe, shop);
  const report = await ledgerIsClean(platform);
  const booked = await acquirerPurchases(platform.ready);

  let succeeded = 0;
  for (const [id, purchase] of shop.purchases) {
    const charges = booked.get(id)?.charges ?? 0;
    assert.ok(!purchase.refused, `${id} was refused: ${JSON.stringify(purchase.refused)}`);
    assert.ok(charges <= 1, `${id} was charged ${charges} times`);
    assert.ok(!purchase.gaveUp, `${id} got no answer: ${purchase.answers}`);
    if (purchase.declined) {
      assert.equal(charges, 0, `${id} was declined and charged`);
    } else {
      ++succeeded;
      assert.equal(charges, 1, `${id} was acknowledged (${purchase.status}) and is lost`);
      assert.equal(booked.get(id).net, purchase.amount, `${id} was charged another amount`);
    }
  }
  for (const [id, entry] of booked)
    assert.ok(entry.charges <= 1, `${id}: ${entry.charges} charges`);
  return { succeeded, report };
}

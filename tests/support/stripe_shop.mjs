// Buyers who use the unmodified stripe client with its default settings, and what they saw: errors,
// declines, and how long nobody could pay. To the witnesses (witnesses.mjs) it is a Shop
// (load.mjs).

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import Stripe from 'stripe';

export class StripeShop {
  /// `pauseMs`: between two purchases of one buyer.
  constructor({ platform, buyers = 4, pauseMs = 20 }) {
    this.purchases = new Map(); // id -> { amount, payment, status } or { gaveUp }
    this.errors = []; // what the client threw, and no bank had said
    this.declines = [];
    this.statuses = []; // of all answers, also of those that the client tried again after
    this.open = new Map(); // id -> when it began
    this.paid = []; // [began, ended], in ms of Date.now()
    this.stopping = false;
    const { secret_key: key } = platform.ready;
    this.running = Array.from({ length: buyers }, () =>
      this.#buyer(new Stripe(key, platform.stripeOptions()), pauseMs),
    );
  }

  async #buyer(stripe, pauseMs) {
    stripe.on('response', ({ status }) => this.statuses.push(status));
    while (!this.stopping) {
      await this.#buy(stripe);
      await pause(pauseMs);
    }
  }

  async #buy(stripe) {
    const id = randomUUID();
    const purchase = { answers: [], amount: 100 + (this.purchases.size % 900) };
    this.purchases.set(id, purchase);
    const began = Date.now();
    this.open.set(id, began);
    try {
      const payment = await stripe.paymentIntents.create({
        ...{ amount: purchase.amount, currency: 'usd', payment_method: 'pm_card_visa' },
        ...{ confirm: true, metadata: { purchase_id: id } },
      });
      purchase.payment = payment.id;
      purchase.status = payment.status;
      this.paid.push([began, Date.now()]);
    } catch (error) {
      purchase.declined = error.type === 'StripeCardError';
      purchase.gaveUp = !purchase.declined;
      const seen = purchase.declined ? this.declines : this.errors;
      seen.push(`${error.type} ${error.code ?? ''} ${error.message}`);
    } finally {
      this.open.delete(id);
    }
  }

  async stop() {
    this.stopping = true;
    await Promise.all(this.running);
  }

  /// How many purchases that began before `time` have no answer yet.
  openSince(time) {
    return [...this.open.values()].filter((began) => began < time).length;
  }

  /// When the first purchase after `time` that succeeded was answered; empty while there is none.
  paidAfter(time) {
    const ends = this.paid.map(([, end]) => end).filter((end) => end > time);
    return ends.length ? Math.min(...ends) : undefined;
  }

  /// How long nothing was paid, and how long one purchase took, at most, since `time`.
  stalls(time) {
    const recent = this.paid.filter(([, end]) => end >= time);
    const ends = [time, ...recent.map(([, end]) => end).sort((a, b) => a - b)];
    const gaps = ends.slice(1).map((end, i) => end - ends[i]);
    const longest = (numbers) => numbers.reduce((a, b) => Math.max(a, b), 0);
    return { gap: longest(gaps), purchase: longest(recent.map(([a, b]) => b - a)) };
  }
}

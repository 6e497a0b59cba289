// Load as real shops make it, counted by purchase: a purchase is one thing somebody wants to pay
// for, however many requests that takes. Its id travels in the payment's metadata into the
// acquirer's books, so that what was really charged can be counted per purchase.

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import http from 'node:http';

/// A seeded generator (mulberry32), so that a run can be repeated.
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/// One POST as an SDK sends it; an Error with `sent` when no answer came.
function post(agent, base, key, path, form, idempotencyKey, timeoutMs) {
  const url = new URL(path, base);
  const body = new URLSearchParams(form).toString();
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: url.hostname,
        port: url.port,
        path: url.pathname,
        method: 'POST',
        agent,
        headers: {
          Authorization: `Bearer ${key}`,
          'Content-Type': 'application/x-www-form-urlencoded',
          'Content-Length': Buffer.byteLength(body),
          'Idempotency-Key': idempotencyKey,
        },
        timeout: timeoutMs,
      },
      (response) => {
        let text = '';
        response.on('data', (chunk) => (text += chunk));
        response.on('end', () => {
          try {
            resolve({ status: response.statusCode, json: JSON.parse(text) });
          } catch (error) {
            reject(error);
          }
        });
        response.on('error', reject);
      },
    );
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', reject);
    request.end(body);
  });
}

class Shop {
  /// `where()` tells the API's base URL, which changes when the platform is started anew.
  constructor({ where, key, random, buyers = 16, declined = 0.05, patienceMs = 60_000 }) {
    Object.assign(this, { where, key, random, buyers, declined, patienceMs });
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
    this.purchases = new Map(); // id -> { answers: [status], succeeded, declined, gaveUp }
    this.stopping = false;
  }

  /// Buys until stop(); every purchase is retried under its key until it has an answer.
  start() {
    this.running = Array.from({ length: this.buyers }, () => this.#buyer());
  }

  /// How many purchases were answered with a payment.
  get paid() {
    return [...this.purchases.values()].filter((purchase) => purchase.payment).length;
  }

  async stop() {
    this.stopping = true;
    await Promise.all(this.running);
    this.agent.destroy();
  }

  async #buyer() {
    while (!this.stopping) await this.#buy();
  }

  async #buy() {
    const id = randomUUID();
    const purchase = { answers: [], payment: null };
    this.purchases.set(id, purchase);
    const declined = this.random() < this.declined;
    purchase.amount = 100 + Math.floor(this.random() * 900);
    const form = {
      amount: String(purchase.amount),
      currency: 'usd',
      payment_method: declined ? 'pm_card_chargeDeclined' : 'pm_card_visa',
      confirm: 'true',
      'metadata[purchase_id]': id,
    };
    if (this.random() < 0.1) {
      // the same request twice at once, as an impatient client sends it
      await Promise.all([this.#ask(purchase, form, id), this.#ask(purchase, form, id)]);
    } else {
      await this.#ask(purchase, form, id);
    }
  }

  async #ask(purchase, form, key) {
    const until = Date.now() + this.patienceMs;
    for (let wait = 20; ; wait = Math.min(wait * 2, 500)) {
      try {
        const answer = await post(
          this.agent,
          this.where(),
          this.key,
          '/v1/payment_intents',
          form,
          key,
          15_000,
        );
        purchase.answers.push(answer.status);
        if (answer.status === 200) {
          purchase.payment = answer.json.id;
          purchase.status = answer.json.status;
          return;
        }
        if (answer.status === 402) {
          purchase.declined = true;
          return;
        }
        if (answer.status < 409 && answer.status !== 404) {
          purchase.refused = answer.json;
          return;
        }
      } catch (error) {
        purchase.answers.push(0);
        purchase.unanswered = `${error.code ?? error.message} at ${new Date().toISOString()}`;
      }
      if (Date.now() > until) {
        purchase.gaveUp = true;
        return;
      }
      await pause(wait);
    }
  }
}

/// A shop at this platform that has begun to buy.
export function openShop(platform, options = {}) {
  const shop = new Shop({
    where: () => platform.ready.api_base,
    key: platform.ready.secret_key,
    random: seeded(1),
    ...options,
  });
  shop.start();
  return shop;
}

/// What the acquirer's books say, by purchase id: { charges, net, held }.
export async function acquirerPurchases(ready) {
  const page = 1000;
  const purchases = new Map();
  for (let skip = 0; ; skip += page) {
    const response = await fetch(
      `${ready.acquirer_url}/admin/purchases?limit=${page}&skip=${skip}`,
      { headers: { Authorization: `Bearer ${ready.acquirer_admin_token}` } },
    );
    if (!response.ok) throw new Error(`acquirer: ${response.status} ${await response.text()}`);
    const found = (await response.json()).purchases;
    for (const entry of found) purchases.set(entry.purchase_id, entry);
    if (found.length < page) return purchases;
  }
}

/// Changes how the acquirer misbehaves (docs/reference/acquirer-protocol.md, fault modes).
export async function setAcquirerFaults(ready, plan) {
  const response = await fetch(`${ready.acquirer_url}/admin/faults`, {
    method: 'PUT',
    body: JSON.stringify(plan),
    headers: { Authorization: `Bearer ${ready.acquirer_admin_token}` },
  });
  if (!response.ok) throw new Error(`acquirer: ${response.status} ${await response.text()}`);
}

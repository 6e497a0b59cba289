// A platform with a fault gate (fault_gate.mjs) between `serve` and what it needs, the database or
// the acquirer; buyers who use it all the time; and one fault after the other, each ending with
// "and it recovers by itself".
//
//   const gated = await GatedPlatform.beforeDatabase();
//   await gated.suffer(delay(200));
//   await gated.settle();
//   await gated.end();

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { FaultGate } from './fault_gate.mjs';
import { Platform, binary } from './platform.mjs';
import { Postgres } from './postgres.mjs';
import { freePorts, start, stop, until } from './processes.mjs';
import { StripeShop } from './stripe_shop.mjs';
import { settle } from './witnesses.mjs';

const lastsMs = 2_000;
const slowdown = Number(process.env.TEST_SLOWDOWN ?? 3); // sanitizers and a busy machine
/// Longer than any deadline of one call on the way.
const recoversWithinMs = 10_000 * slowdown;
const lookMs = 3_000;
/// What a client may be told. 429 and 503 are tried again by it.
const statuses = [200, 402, 409, 429, 503];

export class GatedPlatform {
  /// `tls`: PostgreSQL is spoken to through TLS, and the gate sees that.
  static async beforeDatabase({ tls = false } = {}) {
    const gated = new GatedPlatform();
    return gated.#begin(async () => {
      const postgres = await Postgres.start({ tls });
      gated.ends.push(() => postgres.end());
      gated.gate = await FaultGate.before(postgres.address);
      gated.ends.push(() => gated.gate.close());
      const url = `postgresql://shop@127.0.0.1:${gated.gate.port}/shop`;
      await gated.#up('--database-url', tls ? `${url}?sslmode=require` : url);
    });
  }

  /// `args`: more of `holdfast up`.
  static async beforeAcquirer(...args) {
    const gated = new GatedPlatform();
    return gated.#begin(async () => {
      const [port] = await freePorts(1);
      gated.gate = await FaultGate.before({ host: '127.0.0.1', port });
      gated.ends.push(() => gated.gate.close());
      await gated.#up('--acquirer-url', `http://127.0.0.1:${gated.gate.port}`, ...args);
      // The witness is asked past the gate.
      gated.platform.ready.acquirer_url = `http://127.0.0.1:${port}`;
      gated.#startAcquirer(port);
    });
  }

  async #begin(setUp) {
    this.ends = [];
    try {
      await setUp();
      this.shop = new StripeShop({ platform: this.platform, buyers: 3, pauseMs: 200 });
      await until('the first is paid', () => this.shop.paid.length > 0);
      return this;
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  async #up(...args) {
    this.platform = await Platform.start({ args });
    this.ends.push(() => this.platform.end());
  }

  #startAcquirer(port) {
    const books = join(this.platform.directory, 'books');
    mkdirSync(books);
    const secrets = join(this.platform.directory, 'data', 'secrets');
    const acquirer = start(
      [
        ...[binary, 'acquirer', '--port', String(port), '--books', books],
        ...['--secret-file', join(secrets, 'acquirer_secret')],
        ...['--admin-token-file', join(secrets, 'acquirer_admin_token')],
      ],
      { log: join(this.platform.directory, 'acquirer.log') },
    );
    this.ends.push(() => stop(acquirer));
  }

  /// Puts a fault on under load and heals it; then everybody is paid again and nothing is left of
  /// it inside, without anything that was started again.
  async suffer(fault, { lasts = lastsMs } = {}) {
    const { gate, shop } = this;
    const before = this.#pids();
    const began = Date.now();
    await gate.set(fault);
    const look = this.#look();
    look.catch(() => {}); // it is awaited below
    await pause(lasts);
    await gate.heal();
    const { hits } = gate;
    const healed = Date.now();
    assert.ok(hits > 0, `invalid: ${fault.name} has hit nothing`);
    const isPaid = () => shop.openSince(healed) === 0 && shop.paid.some(([at]) => at > healed);
    await until(`all are paid after ${fault.name}`, isPaid, recoversWithinMs);
    const paidMs = Date.now() - healed;
    const looked = await look;
    await this.#calmsDown(fault.name);
    assert.deepEqual(this.#pids(), before, 'nothing was started again');
    const meanwhile = shop.paid.filter(([, end]) => end > began && end <= healed).length;
    console.log(
      `# ${fault.name}: hit ${hits}, ${meanwhile} paid meanwhile, a look got ${looked}; ` +
        `then all were paid within ${paidMs} ms, and nothing left in ${Date.now() - healed} ms`,
    );
  }

  #pids() {
    return this.platform.services().map(({ name, pid }) => `${name} ${pid}`);
  }

  /// What somebody is told who looks at payments now: an answer, or an error of the API.
  async #look() {
    const patience = { headers: { 'Request-Timeout-Ms': String(lookMs) } };
    const answer = await this.platform.raw('GET', '/v1/payment_intents?limit=1', patience);
    const { status, headers, json } = answer;
    if (status === 200) {
      assert.equal(json.object, 'list');
    } else {
      assert.equal(status, 503);
      assert.ok(json.error.type && json.error.message, JSON.stringify(json));
      assert.ok(Number(headers.get('retry-after')) > 0);
      assert.equal(headers.get('stripe-should-retry'), 'true');
    }
    return status;
  }

  async #calmsDown(faultName) {
    let left;
    const isCalm = async () => {
      const page = await this.#metrics();
      left = inside.filter(([name, labels]) => sumOf(page, name, labels) !== 0);
      return left.length === 0;
    };
    await until('calm', isCalm, recoversWithinMs).catch(() =>
      assert.fail(`${faultName} has left ${JSON.stringify(left)}`),
    );
  }

  /// Of all processes together.
  async metric(name, labels) {
    return sumOf(await this.#metrics(), name, labels);
  }

  async #metrics() {
    return (await fetch(this.platform.ready.metrics_url)).text();
  }

  /// Ends the load and compares the witnesses; nobody has seen an error.
  async settle() {
    const { shop } = this;
    const { succeeded } = await settle(this.platform, shop);
    assert.deepEqual(shop.errors, [], 'the client saw no error');
    assert.deepEqual(shop.declines, [], 'no bank said no');
    assert.equal(succeeded, shop.purchases.size);
    const odd = shop.statuses.filter((status) => !statuses.includes(status));
    assert.deepEqual(odd, [], 'it was told what the API tells');
    const used = { db_client_connection_state: 'used' };
    const idle = async () => (await this.metric('db_client_connection_count', used)) === 0;
    await until('no connection is in use', idle);
  }

  async end() {
    for (const end of this.ends.reverse()) await end();
  }
}

/// Sum of the samples of a metric that have these labels.
function sumOf(page, name, labels = {}) {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const lines = page.split('\n').filter((line) => line.split(/[{ ]/)[0] === name);
  if (lines.length === 0) throw new Error(`no metric ${name}`);
  const ours = lines.filter((line) => wanted.every((label) => line.includes(label)));
  return ours.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/// What is 0 when nothing is left of a fault.
const inside = [
  ['holdfast_db_connections_ending'],
  ['holdfast_stand_in_open_payments'],
  ['holdfast_stand_in_active'],
  ['holdfast_operations_unknown'],
  ['holdfast_breaker_state', { state: 'open' }],
  ['holdfast_breaker_state', { state: 'half_open' }],
];

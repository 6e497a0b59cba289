// One idempotency key on both sides of midnight, on two instances whose clocks stand at
// 23:59:59.9 and at 00:00:00.1: one payment, charged once. The programs are the real ones; what
// they believe to be the time is set through tests/support/test_clock.cc.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, closeSync, copyFileSync, mkdirSync, mkdtempSync, openSync } from 'node:fs';
import { rmSync, writeFileSync, writeSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import Stripe from 'stripe';
import { Platform, binary } from '../support/platform.mjs';
import { acquirerPurchases } from '../support/load.mjs';
import { Postgres } from '../support/postgres.mjs';

const preload = 'libtest_clock.so';
const built = join(process.env.TEST_BUILD ?? 'build/test', 'tests/support', preload);
const startPatienceMs = 60_000;
const daySeconds = 86_400;

const nanoseconds = (ms) => BigInt(ms) * 1_000_000n;

let directory;
let postgres;
let platform;
const running = [];
let database; // { setClock }
let acquirer; // { setClock }, and as acquirerPurchases() wants it
let early; // an instance at 23:59:59.9: { stripe, setClock }
let late; // one at 00:00:00.1

/// The environment of a program that gets a clock of its own, and what sets it:
/// setClock({ standsAt }) or setClock({ runsFrom }), in Unix milliseconds.
function ownClock(name) {
  const file = join(directory, `clock-${name}`);
  writeFileSync(file, Buffer.alloc(16), { mode: 0o644 });
  const setClock = ({ standsAt = 0, runsFrom = Date.now() }) => {
    const setting = Buffer.alloc(16);
    setting.writeBigInt64LE(nanoseconds(standsAt), 0);
    setting.writeBigInt64LE(nanoseconds(runsFrom - Date.now()), 8);
    const written = openSync(file, 'r+');
    writeSync(written, setting, 0, setting.length, 0);
    closeSync(written);
  };
  return { env: { LD_PRELOAD: join(directory, preload), TEST_CLOCK_FILE: file }, setClock };
}

/// A holdfast process with a clock of its own.
async function startWithClock(name, args, listening) {
  const { env, setClock } = ownClock(name);
  const child = spawn(binary, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  running.push(child);
  let log = '';
  child.stderr.on('data', (chunk) => (log += chunk));
  const line = () => log.split('\n').find((text) => text.includes(`"${listening}"`));
  for (const until = Date.now() + startPatienceMs; !line(); await pause(20))
    assert.ok(child.exitCode === null && Date.now() < until, `${name} did not start:\n${log}`);
  return { port: JSON.parse(line()).port, setClock };
}

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'hf-clocks-'));
  chmodSync(directory, 0o755);
  copyFileSync(built, join(directory, preload)); // the database's user may not see our own files
  database = ownClock('database');
  postgres = await Postgres.start({ env: database.env });
  platform = await Platform.start({ args: ['--database-url', postgres.url] });
  const secrets = join(platform.directory, 'data', 'secrets');
  const books = join(platform.directory, 'books');
  mkdirSync(books);
  const acquirerSecret = ['secret-file', join(secrets, 'acquirer_secret')];
  acquirer = await startWithClock(
    'acquirer',
    [
      ...['acquirer', '--books', books, `--${acquirerSecret[0]}`, acquirerSecret[1]],
      ...['--admin-token-file', join(secrets, 'acquirer_admin_token')],
    ],
    'acquirer_listening',
  );
  acquirer.acquirer_url = `http://127.0.0.1:${acquirer.port}`;
  acquirer.acquirer_admin_token = platform.ready.acquirer_admin_token;
  const instance = async (name) => {
    const started = await startWithClock(
      name,
      [
        ...['serve', '--name', name, '--database-url', postgres.url],
        ...['--acquirer-url', acquirer.acquirer_url],
        ...[`--acquirer-${acquirerSecret[0]}`, acquirerSecret[1]],
        ...['--id-secret-file', join(secrets, 'id_secret')],
      ],
      'serving',
    );
    const stripe = new Stripe(
      platform.ready.secret_key,
      platform.stripeOptions({ port: started.port, maxNetworkRetries: 5 }),
    );
    return { stripe, setClock: started.setClock };
  };
  early = await instance('early');
  late = await instance('late');
});
after(async () => {
  for (const child of running) {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  }
  await platform.end();
  await postgres.end();
  rmSync(directory, { recursive: true, force: true });
});

let day = Math.floor(Date.now() / 1000 / daySeconds);

/// Sets all clocks to a later midnight; returns its Unix time. The database is behind the
/// instances: one that was ahead of them would show them what the time is.
function strikeMidnight() {
  const midnight = ++day * daySeconds;
  for (const each of [database, acquirer]) each.setClock({ runsFrom: (midnight - 60) * 1000 });
  early.setClock({ standsAt: midnight * 1000 - 100 });
  late.setClock({ standsAt: midnight * 1000 + 100 });
  return midnight;
}

async function chargedOnce(order, payments) {
  const [id] = new Set(payments.map((p) => p.id));
  for (const payment of payments) {
    assert.equal(payment.id, id);
    assert.equal(payment.status, 'succeeded');
  }
  const charges = await early.stripe.charges.list({ payment_intent: id });
  assert.equal(charges.data.length, 1);
  const purchase = (await acquirerPurchases(acquirer)).get(order.metadata.purchase_id);
  assert.equal(purchase.charges, 1);
  assert.equal(purchase.net, order.amount);
}

const newOrder = () => ({
  amount: 1099,
  currency: 'usd',
  payment_method: 'pm_card_visa',
  confirm: true,
  metadata: { purchase_id: randomUUID() },
});

/// Pays on `first` and repeats on `second`; answers with the payment.
async function payAcross(first, second) {
  const order = newOrder();
  const options = { idempotencyKey: randomUUID() };
  const paid = await first.stripe.paymentIntents.create(order, options);
  const again = await second.stripe.paymentIntents.create(order, options);
  await chargedOnce(order, [paid, again]);
  assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
  return paid;
}

test('paid at 23:59:59.9, repeated at 00:00:00.1 on another instance', async () => {
  const midnight = strikeMidnight();
  const now = Number(await platform.sql('SELECT extract(epoch FROM clock_timestamp())'));
  assert.ok(now >= midnight - 60 && now < midnight, 'the database has the clock that it was given');
  assert.equal((await payAcross(early, late)).created, midnight - 1);
});

test('paid at 00:00:00.1, repeated at 23:59:59.9 on another instance', async () => {
  const midnight = strikeMidnight();
  assert.equal((await payAcross(late, early)).created, midnight);
});

test('at the same moment on both', async () => {
  for (let n = 0; n < 3; ++n) {
    const order = newOrder();
    const options = { idempotencyKey: randomUUID() };
    strikeMidnight();
    const both = [early, late].map(({ stripe }) => stripe.paymentIntents.create(order, options));
    await chargedOnce(order, await Promise.all(both));
  }
});

test('a refund on both sides of midnight is one refund', async () => {
  const payment = await late.stripe.paymentIntents.create(newOrder());
  assert.equal(payment.status, 'succeeded');
  const options = { idempotencyKey: randomUUID() };
  strikeMidnight();
  const refund = { payment_intent: payment.id, amount: 100 };
  const one = await early.stripe.refunds.create(refund, options);
  const two = await late.stripe.refunds.create(refund, options);
  assert.equal(two.id, one.id);
  const charge = await late.stripe.charges.retrieve(payment.latest_charge);
  assert.equal(charge.amount_refunded, 100);
});

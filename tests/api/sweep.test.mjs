// `holdfast standin sweep`: of the holds at the acquirer it finds those that belong to no payment,
// and releases them and no other.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import Stripe from 'stripe';
import { Platform, holdfast } from '../support/platform.mjs';
import { setAcquirerFaults } from '../support/load.mjs';
import { signal, until, withChildren } from '../support/processes.mjs';

const slow = process.env.TEST_SLOW === '1';
const lifeMs = 15_000;
const young = 1; // s

let platform;
let stripe;
let secret;

before(async () => {
  platform = await Platform.start({ args: ['--db-hold', '1'] });
  stripe = new Stripe(platform.ready.secret_key, platform.stripeOptions());
  secret = readFileSync(join(platform.directory, 'data/secrets/acquirer_secret'), 'utf8').trim();
});
after(() => platform.end());

/// One request of the acquirer protocol (docs/reference/acquirer-protocol.md).
async function ask(method, path, message) {
  const body = message ? JSON.stringify(message) : '';
  const target = `/v1/operations${path}`;
  const t = Math.floor(Date.now() / 1000);
  const n = randomBytes(8).toString('hex');
  const signed = createHmac('sha256', secret).update([t, n, method, target, body].join('\n'));
  const response = await fetch(platform.ready.acquirer_url + target, {
    method,
    body: body || undefined,
    headers: { 'Holdfast-Signature': `t=${t},n=${n},v1=${signed.digest('hex')}` },
  });
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()).finding;
}

const newReference = () =>
  `op_${createHash('sha256').update(randomUUID()).digest('hex').slice(0, 21).padStart(22, '0')}`;

/// Executes an operation that Holdfast knows nothing of; answers with its reference.
async function book(kind, more = {}, finding = 'approved') {
  const reference = newReference();
  const message = {
    ...{ reference, account: 'acct_0000000000000000000001', payment: 'pi_0000000000000000000001' },
    ...{ kind, amount: 1500, currency: 'usd', vault_token: 'test_visa', metadata: {} },
    ...{ valid_until: (Date.now() + lifeMs) * 1000, ...more },
  };
  assert.equal(await ask('POST', '', message), finding);
  return reference;
}
const reverse = async (reference) =>
  assert.equal(await ask('POST', `/${reference}/reverse`), 'reversed');

async function sweep(...args) {
  const swept = await platform.command('standin', 'sweep', '--json', ...args);
  const found = swept.out ? JSON.parse(swept.out) : { holds: [], sales: [] };
  return { ...swept, ...found, references: found.holds.map(({ reference }) => reference).sort() };
}
const sweepAll = (...args) => sweep('--older-than', String(young), ...args);
const grownUp = () => pause(young * 1000 + 200);

const pay = (more, options) =>
  stripe.paymentIntents.create(
    { amount: 700, currency: 'usd', payment_method: 'pm_card_visa', confirm: true, ...more },
    options,
  );

test('books of which the database knows nothing are not its own', async () => {
  const stray = await book('authorize');
  await grownUp();
  const { code, err, out } = await sweepAll('--reverse');
  assert.deepEqual([code, out], [1, '']);
  assert.match(err, /another platform; nothing was reversed/);
  assert.equal(await ask('GET', `/${stray}`), 'approved');
  await reverse(stray);
});

test('holds of no payment are found and reversed, and nothing else', async () => {
  const manual = await pay({ capture_method: 'manual' });
  assert.equal(manual.status, 'requires_capture');
  const canceled = await pay({ capture_method: 'manual' });
  await stripe.paymentIntents.cancel(canceled.id);
  await pay({});

  const orphan = await book('authorize');
  const uncaptured = await book('authorize', { amount: 250, currency: 'eur' });
  await reverse(await book('capture', { amount: 250, currency: 'eur', original: uncaptured }));
  await reverse(await book('authorize'));
  await book('void', { original: await book('authorize') });
  await book('capture', { amount: 900, original: await book('authorize') });
  await book('authorize', { vault_token: 'test_chargeDeclined' }, 'declined');
  await grownUp();

  const tooYoung = await sweep();
  assert.deepEqual([tooYoung.code, tooYoung.references], [0, []], tooYoung.err);
  const found = await sweepAll();
  assert.equal(found.code, 1);
  assert.match(found.err, /another machine.*bring it back first.*--reverse/);
  assert.deepEqual(found.references, [orphan, uncaptured].sort());
  const shown = found.holds.find(({ reference }) => reference === orphan);
  assert.deepEqual([shown.amount, shown.currency, shown.reversed], [1500, 'usd', false]);
  assert.ok(Math.abs(shown.booked_us / 1000 - Date.now()) < 60_000);
  assert.deepEqual(found.sums, [
    { currency: 'eur', holds: 1, amount: 250 },
    { currency: 'usd', holds: 1, amount: 1500 },
  ]);
  const table = await platform.command('standin', 'sweep', '--older-than', String(young));
  assert.match(table.out, new RegExp(`${orphan} +\\$15\\.00 usd +booked \\d{4}-`));
  console.log(`${table.out}${table.err}`.replace(/^/gm, '# '));

  const modes = { disconnect: { calls: ['reverse'] } };
  await setAcquirerFaults(platform.ready, { seed: 1, modes });
  const failed = await sweepAll('--reverse');
  await setAcquirerFaults(platform.ready, {});
  assert.equal(failed.code, 1);
  assert.match(failed.err, new RegExp(`${orphan} not confirmed: .`));
  assert.ok(failed.holds.every(({ problem }) => problem));

  const swept = await sweepAll('--reverse');
  assert.equal(swept.code, 0, swept.err);
  assert.match(swept.err, new RegExp(`/2 ${orphan} reversed`));
  assert.ok(swept.holds.every(({ reversed }) => reversed));
  assert.equal(await ask('GET', `/${orphan}`), 'reversed');
  assert.equal(await ask('GET', `/${uncaptured}`), 'reversed');
  const again = await sweepAll();
  assert.deepEqual([again.code, again.references], [0, []], again.err);
  assert.equal((await stripe.paymentIntents.capture(manual.id)).status, 'succeeded');
});

test('what a command log holds is left alone', async () => {
  const services = platform.services();
  const pidsOf = (prefix) =>
    services.filter(({ name }) => name.startsWith(prefix)).flatMap(({ pid }) => withChildren(pid));
  const open = async () => {
    const { out } = await platform.command('standin', 'status', '--json');
    return JSON.parse(out).logs.reduce((sum, log) => sum + log.open, 0);
  };
  let payment;
  signal(pidsOf('postgres-'), 'SIGSTOP');
  try {
    payment = await pay({ capture_method: 'manual' });
    signal(pidsOf('pay-'), 'SIGSTOP'); // it drains nothing
  } finally {
    signal(pidsOf('postgres-'), 'SIGCONT');
  }
  try {
    assert.equal(payment.status, 'requires_capture');
    assert.equal(await open(), 1);
    await grownUp();
    const { code, err, references } = await sweepAll('--reverse');
    assert.deepEqual([code, references], [0, []], err);

    const log = join(platform.directory, 'data/command-log/pay-1');
    const secrets = join(platform.directory, 'data/secrets');
    const byName = (directory) =>
      holdfast(
        ...['standin', 'sweep', '--older-than', String(young), '--command-log', directory],
        ...['--id-secret-file', join(secrets, 'id_secret')],
        ...['--acquirer-secret-file', join(secrets, 'acquirer_secret')],
        ...['--acquirer-url', platform.ready.acquirer_url],
        ...['--database-url', platform.ready.database_url],
      );
    const named = await byName(log);
    assert.equal(named.code, 0, named.err);
    assert.match(named.out, /every hold at the acquirer belongs to a payment/);
    assert.match((await byName(join(log, '..'))).err, /no command log in/);

    const odd = join(platform.directory, 'data/command-log/pay-9');
    writeFileSync(odd, 'not a log');
    const unread = await sweepAll('--reverse');
    renameSync(odd, join(platform.directory, 'pay-9'));
    assert.equal(unread.code, 1);
    assert.match(unread.err, /pay-9 can't be read.*move it elsewhere/);
  } finally {
    signal(pidsOf('pay-'), 'SIGCONT');
  }
  await until('it is drained', async () => (await open()) === 0);
  assert.deepEqual((await sweepAll()).references, []);
  assert.equal((await stripe.paymentIntents.capture(payment.id)).status, 'succeeded');
});

test('a sale of which nobody knows is reported and never reversed', async () => {
  const sale = await book('sale', { amount: 4200 });
  const orphan = await book('authorize');
  await grownUp();
  const swept = await sweepAll('--reverse');
  assert.equal(swept.code, 1);
  assert.deepEqual(swept.references, [orphan]);
  assert.deepEqual(swept.sales.map(({ reference, amount }) => [reference, amount]), [[sale, 4200]]);
  assert.match(swept.err, /belong to no payment/);
  assert.equal(await ask('GET', `/${sale}`), 'approved');
  assert.equal(await ask('GET', `/${orphan}`), 'reversed');
  const table = await platform.command('standin', 'sweep', '--older-than', String(young));
  assert.match(table.out, /MONEY WAS TAKEN/);
  await book('refund', { amount: 4200, original: sale });
  const { code, sales } = await sweepAll();
  assert.deepEqual([code, sales], [0, []]);
});

test('what is missing or wrong is named', async () => {
  for (const value of ['0', '-1', 'yesterday', '9223372036854775807']) {
    const { code, err } = await sweep(`--older-than=${value}`);
    assert.notEqual(code, 0);
    assert.match(err, /--older-than/);
  }
  const database = ['--database-url', platform.ready.database_url];
  const log = ['--command-log', '/nonexistent', '--id-secret-file', '/nonexistent'];
  const elsewhere = (...args) => holdfast('standin', 'sweep', ...args);
  const cases = [
    [await elsewhere('--data', '/nonexistent'), /no Holdfast was found/],
    [await elsewhere(...database), /name each with --command-log/],
    [await elsewhere(...database, ...log), /no acquirer is named/],
    [await sweep('--acquirer-url', 'http://127.0.0.1:1'), /acquirer's books can't be read: ./],
  ];
  if (slow) {
    const away = ['--database-url', 'postgresql://x@127.0.0.1:1/x']; // it is waited for
    cases.push([await sweep(...away), /the database can't be read: ./]);
  }
  for (const [{ code, err }, message] of cases) {
    assert.equal(code, 1);
    assert.match(err, message);
  }
});

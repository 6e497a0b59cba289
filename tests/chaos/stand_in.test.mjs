// The whole database is gone under load, both nodes of it: payments are held, then decided with the
// issuer's real word, and when it is back they are settled; nothing is lost or doubled.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { Platform } from '../support/platform.mjs';
import { openShop, seeded } from '../support/load.mjs';
import { signal, withChildren } from '../support/processes.mjs';
import { settle } from '../support/witnesses.mjs';

const slow = process.env.TEST_SLOW === '1';
const goneMs = 20_000;

test('payments go on while the whole database is gone', { timeout: 300_000 }, async () => {
  const platform = await Platform.start();
  try {
    const shop = openShop(platform, {
      buyers: 8,
      declined: 0.5, // an answer that shows more than the payment
    });
    await pause(2_000);
    const nodes = platform.services().filter((service) => service.name.startsWith('postgres-'));
    assert.equal(nodes.length, 2);
    const before = shop.purchases.size;
    for (const node of nodes) signal(withChildren(node.pid), 'SIGSTOP');
    // Half-way the process that stands in dies; it starts again without the database.
    await pause(goneMs / 2);
    const pay = () => platform.services().find(({ name }) => name === 'pay-1')?.pid;
    const died = pay();
    const beforeItDied = shop.purchases.size;
    signal([died], 'SIGKILL');
    await pause(goneMs / 2);
    assert.notEqual(pay(), died);
    const since = [...shop.purchases.values()].slice(beforeItDied);
    assert.ok(since.filter(({ status }) => status === 'processing').length > 10, 'it stands in');
    const during = [...shop.purchases.values()].slice(before);
    for (const node of nodes) signal(withChildren(node.pid), 'SIGCONT');
    const answered = during.filter((purchase) => purchase.payment || purchase.declined);
    const standIn = answered.filter((purchase) => purchase.status === 'processing');
    console.log(`# ${answered.length} answered without the database, ${standIn.length} approved`);
    assert.ok(standIn.length > 10, 'approved by their issuer without the database');
    assert.ok(
      answered.length - standIn.length > 0,
      'and some declined by theirs',
    );
    await pause(2_000);
    const { succeeded } = await settle(platform, shop);
    // 409: the same key twice at once, which this shop sends on purpose. 0: the process was dead.
    const refused = [...shop.purchases.values()].flatMap((purchase) =>
      purchase.answers.filter((status) => ![0, 200, 402, 409].includes(status)),
    );
    const unanswered = [...shop.purchases.values()].map((purchase) => purchase.unanswered);
    assert.deepEqual(refused, [], `nobody was refused; ${unanswered.filter(Boolean).join(', ')}`);
    assert.ok(succeeded > standIn.length);
    const attempts = await platform.command('attempts', '--json');
    const kept = attempts.out.split('\n').filter((line) => line.includes('"processing"'));
    assert.ok(kept.length >= standIn.length, 'they are on record');
  } finally {
    await platform.end();
  }
});

/// What the acquirer has booked, by reference.
async function acquirerLines(ready) {
  const lines = new Map();
  for (let after = ''; ; ) {
    const response = await fetch(
      `${ready.acquirer_url}/admin/lines?limit=1000${after && `&after=${after}`}`,
      { headers: { Authorization: `Bearer ${ready.acquirer_admin_token}` } },
    );
    const page = (await response.json()).lines;
    if (page.length === 0) return lines;
    for (const line of page) lines.set(line.reference, line);
    after = page.at(-1).position;
  }
}

/// What an operator sees when nothing runs: every payment that was promised, and what to do.
async function reconcile(platform, processing) {
  const status = await platform.command('standin', 'status', '--json');
  assert.equal(status.code, 0, status.err);
  const { running, logs } = JSON.parse(status.out);
  assert.equal(running, false);
  assert.deepEqual(
    logs.map(({ name, pid }) => [name, pid]),
    [
      ['pay-1', null],
      ['pay-2', null],
    ],
  );
  const exported = await platform.command('standin', 'export');
  const steps = exported.out.trim().split('\n').map((line) => JSON.parse(line));
  assert.equal(steps.length, logs[0].open + logs[1].open);
  const approved = new Map(
    steps.filter(({ state }) => state === 'approved').map((step) => [step.payment, step]),
  );
  const lines = await acquirerLines(platform.ready);
  for (const { payment } of processing) {
    const step = approved.get(payment);
    assert.ok(step, `${payment} was promised`);
    const line = lines.get(step.reference);
    assert.equal(line?.finding, 'approved', `${step.reference} is in the acquirer's books`);
    assert.equal(line.amount, step.amount);
  }
  const drain = await platform.command('standin', 'drain', '--timeout', '0', '--json');
  assert.equal(drain.code, 1);
  const { drained, obstacles } = JSON.parse(drain.out);
  assert.equal(drained, false);
  assert.equal(obstacles.length, logs.filter(({ open }) => open > 0).length);
  assert.match(obstacles[0], /`holdfast up` drains it/);
}

/// Statuses and bodies of one request over that many new connections: they reach all processes.
async function askAll(platform, times, path, options = {}) {
  const authorization = `Bearer ${platform.ready.secret_key}`;
  const answers = [];
  for (let i = 0; i < times; ++i) {
    const [response] = await once(
      request(`${platform.ready.api_base}${path}`, {
        ...options,
        agent: false,
        headers: {
          authorization,
          'content-type': 'application/x-www-form-urlencoded',
          ...options.headers,
        },
      }).end(options.body),
      'response',
    );
    answers.push({ status: response.statusCode, body: await json(response) });
  }
  return answers;
}

/// Whichever process is asked: the one that has accepted it has told the others.
async function allKnow(platform, { payment }) {
  const path = `/v1/payment_intents/${payment}`;
  const shown = await askAll(platform, 20, path);
  assert.deepEqual([...new Set(shown.map(({ status }) => status))], [200]);
  assert.deepEqual([...new Set(shown.map(({ body }) => body.status))], ['processing']);
  const repeated = await askAll(platform, 20, '/v1/payment_intents', {
    method: 'POST',
    headers: { 'idempotency-key': 'asked-everywhere' },
    body: 'amount=700&currency=usd&payment_method=pm_card_visa&confirm=true',
  });
  assert.deepEqual([...new Set(repeated.map(({ status }) => status))], [200]);
  assert.equal(new Set(repeated.map(({ body }) => body.id)).size, 1);
}

/// Created by a merchant's server at one process, confirmed by a payer's browser at another.
async function confirmedAnywhere(platform, times) {
  const post = async (path, key, body) => {
    const options = { method: 'POST', headers: { 'idempotency-key': key }, body };
    return (await askAll(platform, 1, path, options))[0];
  };
  const confirmed = [];
  for (let i = 0; i < times; ++i) {
    const form = 'amount=900&currency=usd&payment_method=pm_card_visa';
    const created = await post('/v1/payment_intents', `created-${i}`, form);
    assert.equal(created.status, 200, JSON.stringify(created.body));
    const path = `/v1/payment_intents/${created.body.id}/confirm`;
    confirmed.push(await post(path, `confirmed-${i}`, ''));
  }
  assert.deepEqual([...new Set(confirmed.map(({ status }) => status))], [200]);
  assert.deepEqual([...new Set(confirmed.map(({ body }) => body.status))], ['processing']);
}

test('what a process has left is settled by another one', { timeout: 300_000 }, async () => {
  const platform = await Platform.start({ instances: 2 });
  try {
    const shop = openShop(platform, { random: seeded(2), buyers: 8 });
    await pause(2_000);
    const services = platform.services();
    const pidsOf = (prefix) => {
      const found = services.filter(({ name }) => name.startsWith(prefix));
      return found.flatMap(({ pid }) => withChildren(pid));
    };
    // The supervisor, too: it would end servers that hang.
    signal([...pidsOf('postgres-'), platform.child.pid], 'SIGSTOP');
    await pause(12_000);
    await shop.stop();
    const processing = [...shop.purchases.values()].filter((p) => p.status === 'processing');
    assert.ok(processing.length > 10);
    await allKnow(platform, processing.at(-1));
    await confirmedAnywhere(platform, 12);
    // The machine dies; afterwards there is one instance less.
    await platform.killSupervisor();
    signal([...pidsOf('pay-'), ...pidsOf('background'), ...pidsOf('postgres-')], 'SIGKILL');
    const logs = () => readdirSync(join(platform.directory, 'data', 'command-log'));
    assert.deepEqual(logs().sort(), ['pay-1', 'pay-2']);
    await reconcile(platform, processing);
    platform.args.splice(platform.args.indexOf('--instances') + 1, 1, '1');
    await platform.launch();
    const drained = await platform.command('standin', 'drain', '--timeout', '60');
    assert.equal(drained.code, 0, drained.err);
    assert.equal((await platform.command('standin', 'export')).out, '');
    const { succeeded } = await settle(platform, shop);
    assert.ok(succeeded >= processing.length);
  } finally {
    await platform.end();
  }
});

const unasked = { skip: !slow, timeout: 300_000 };
test('within its floor limits a merchant is paid without anybody', unasked, async () => {
  const platform = await Platform.start();
  const limit = (...args) => platform.command('account', 'floor-limit', '--json', ...args);
  const attempt = (key) =>
    platform.raw('POST', '/v1/payment_intents', {
      body: 'amount=1000&currency=usd&payment_method=pm_card_visa&confirm=true',
      headers: { 'Idempotency-Key': key },
    });
  try {
    const bad = await limit('--payment', '1000', '--card', '900', '--total', '2000');
    assert.notEqual(bad.code, 0);
    assert.match(bad.err, /each at least as much as the one before/);
    const good = ['--payment', '1000', '--card', '2000', '--total', '2000'];
    const { code, out, err } = await limit(...good);
    assert.equal(code, 0, err);
    assert.deepEqual(JSON.parse(out), [
      { currency: 'usd', payment: 1000, card: 2000, total: 2000 },
    ]);
    assert.equal((await attempt('before')).status, 200);
    await pause(7_000); // until the process knows it, and has its share
    const services = platform.services();
    const pidsOf = (prefix) =>
      services
        .filter(({ name }) => name.startsWith(prefix))
        .flatMap(({ pid }) => withChildren(pid));
    const halted = [...pidsOf('postgres-'), platform.child.pid];
    signal(halted, 'SIGSTOP'); // the supervisor would start the acquirer again
    try {
      signal(pidsOf('acquirer'), 'SIGKILL');
      for (const key of ['one', 'two']) {
        const { status, json } = await attempt(key);
        assert.equal(status, 200, JSON.stringify(json));
        assert.equal(json.status, 'processing');
      }
      const third = await attempt('three');
      assert.equal(third.status, 503);
      assert.equal(third.headers.get('stripe-should-retry'), 'true');
    } finally {
      signal(halted, 'SIGCONT');
    }
    const all = Array(3).fill('succeeded');
    const states = async () =>
      (await platform.raw('GET', '/v1/payment_intents?limit=10')).json?.data?.map((p) => p.status);
    for (let i = 0; i < 120 && `${await states()}` !== `${all}`; ++i) await pause(500);
    assert.deepEqual(await states(), all);
  } finally {
    await platform.end();
  }
});

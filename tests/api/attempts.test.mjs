// Whoever wanted to pay is on record, whatever became of it.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Platform, holdfast } from '../support/platform.mjs';

let platform;

before(async () => {
  platform = await Platform.start({ args: ['--api-rate-limit-test', '20'] });
});
after(() => platform.end());

const visa = 'amount=1099&currency=eur&payment_method=pm_card_visa&confirm=true';
const declined = visa.replace('visa', 'chargeDeclined');

function ask(body, { path = '/v1/payment_intents', key = randomUUID() } = {}) {
  return platform.raw('POST', path, { body, headers: { 'Idempotency-Key': key } });
}

/// Asked again under its key until it is let in.
async function insist(body, options = {}) {
  const key = options.key ?? randomUUID();
  for (;;) {
    const answer = await ask(body, { ...options, key });
    if (answer.status !== 429) return answer;
    await pause(50);
  }
}

async function attempts() {
  await pause(500); // written ten times a second
  const listed = await platform.command('attempts', '--json');
  assert.equal(listed.code, 0, listed.err);
  return listed.out.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

const outcomesOf = (all, payment) =>
  all.filter((attempt) => attempt.payment === payment).map((attempt) => attempt.outcome);

test('each attempt is kept with its outcome', async () => {
  const paid = await insist(`${visa}&receipt_email=somebody@example.com`);
  assert.equal(paid.status, 200);
  const refusedByIssuer = await insist(declined);
  assert.equal(refusedByIssuer.status, 402);
  const created = await insist('amount=500&currency=usd');
  const confirm = `/v1/payment_intents/${created.json.id}/confirm`;
  await insist('payment_method=pm_card_visa', { path: confirm });
  const wrong = await insist(visa.replace('1099', '-7'));
  assert.equal(wrong.status, 400);
  await platform.raw('GET', '/v1/payment_intents');

  const all = await attempts();
  assert.deepEqual(outcomesOf(all, paid.json.id), ['succeeded']);
  assert.deepEqual(outcomesOf(all, refusedByIssuer.json.error.payment_intent.id), ['declined']);
  assert.deepEqual(outcomesOf(all, created.json.id), ['created', 'succeeded']);
  const [kept] = all.filter((attempt) => attempt.payment === paid.json.id);
  assert.equal(kept.amount, 1099);
  assert.equal(kept.currency, 'eur');
  assert.match(kept.account, /^acct_/);
  assert.equal(kept.request, paid.headers.get('request-id'));
  const [refused] = all.filter((attempt) => attempt.outcome === 'refused');
  assert.equal(refused.amount, 0);
  assert.match(refused.payment, /^pi_/, 'the payment that it would have been');
  assert.ok(!JSON.stringify(all).includes('somebody@'), 'no personal data');
});

test('who was turned away is found, also as who came back', async () => {
  const keys = Array.from({ length: 80 }, () => randomUUID());
  const answers = await Promise.all(keys.map((key) => ask(visa, { key })));
  const away = keys.filter((_, i) => answers[i].status === 429);
  assert.ok(away.length > 10);
  const back = await insist(visa, { key: away[0] });
  assert.equal(back.status, 200);

  const all = await attempts();
  const outcomes = outcomesOf(all, back.json.id);
  assert.equal(outcomes[0], 'shed');
  assert.equal(outcomes.at(-1), 'succeeded');
  const shed = all.filter((attempt) => attempt.outcome === 'shed');
  assert.ok(shed.length >= away.length);
  assert.ok(shed.every((attempt) => attempt.amount > 0 && attempt.account && attempt.payment));

  const table = await platform.command('attempts');
  assert.equal(table.code, 0, table.err);
  const [, recovered, lost] = table.out.match(
    /(\d+) turned away and answered later, (\d+) not answered since/,
  );
  assert.ok(Number(recovered) >= 1);
  assert.equal(Number(lost), away.length - 1);
  console.log(table.out.replace(/^/gm, '# '));
});

test('what can not be shown is refused', async () => {
  const future = await platform.command('attempts', '--minutes', '0');
  assert.notEqual(future.code, 0);
  assert.match(future.err, /minutes/);
  const elsewhere = await holdfast('attempts', '--data', '/nonexistent');
  assert.equal(elsewhere.code, 1);
  assert.match(elsewhere.err, /nonexistent/);
});

// Bad input at every endpoint that the server has: the right error in Stripe's form, never a 500,
// and nothing written. The server says which endpoints there are, endpoints.mjs what they take; an
// endpoint or a parameter that is missing there fails here.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import Stripe from 'stripe';
import { Platform, holdfast } from '../support/platform.mjs';
import { badIds, endpoints, form, merge, missingId } from './endpoints.mjs';

const atOnce = 16;
let platform;
let agents; // { mine, theirs }: stripe clients of two accounts
let world; // { mine, theirs }: ids of their objects by kind
let revokedKey;

const platformReady = async () => {
  // Hundreds of wrong keys come from one address here.
  platform = await Platform.start({ args: ['--api-wrong-keys-per-second', '1000'] });
  const command = async (...args) => {
    const { code, out, err } = await platform.command(...args, '--json');
    assert.equal(code, 0, err);
    return JSON.parse(out);
  };
  const { account } = await command('account', 'create', 'Other');
  const other = await command('keys', 'create', '--account', account);
  const mine = platform.ready.secret_key;
  agents = {
    mine: new Stripe(mine, platform.stripeOptions()),
    theirs: new Stripe(other.key, platform.stripeOptions()),
  };
  revokedKey = (await command('keys', 'create', '--account', account)).key;
  assert.equal((await platform.command('keys', 'revoke', revokedKey)).code, 0);
  world = { mine: await everyKind(agents.mine), theirs: await everyKind(agents.theirs) };
};
before(platformReady);
after(() => platform.end());

/// Makes an object for each kind of id in endpoints.mjs.
const year = new Date().getFullYear() + 2;
const card = { number: '4242424242424242', exp_month: 8, exp_year: year, cvc: '314' };
const pay = (stripe, more) =>
  stripe.paymentIntents.create({
    amount: 1000,
    currency: 'usd',
    payment_method: 'pm_card_visa',
    ...more,
  });
const makers = {
  customer: async (stripe) => (await stripe.customers.create({ name: 'Ada' })).id,
  payment_method: async (stripe) =>
    (await stripe.paymentMethods.create({ type: 'card', card: { token: 'tok_visa' } })).id,
  attached: async (stripe, customer) =>
    (await stripe.paymentMethods.attach('pm_card_visa', { customer })).id,
  payment_intent: async (stripe) => (await pay(stripe)).id,
  authorized: async (stripe) => (await pay(stripe, { confirm: true, capture_method: 'manual' })).id,
  authorized_charge: async (stripe) =>
    (await pay(stripe, { confirm: true, capture_method: 'manual' })).latest_charge,
  charge: async (stripe) => (await pay(stripe, { confirm: true })).latest_charge,
  refund: async (stripe) =>
    (await stripe.refunds.create({ charge: await makers.charge(stripe), amount: 100 })).id,
  token: async (stripe) => (await stripe.tokens.create({ card })).id,
  event: async (stripe) => (await stripe.events.list({ limit: 1 })).data[0].id,
  balance_transaction: async (stripe) =>
    (await stripe.balanceTransactions.list({ limit: 1 })).data[0].id,
};
async function everyKind(stripe) {
  const made = {};
  for (const [kind, make] of Object.entries(makers)) made[kind] = await make(stripe, made.customer);
  return made;
}
const plainKind = { attached: 'payment_method', authorized: 'payment_intent' };
plainKind.authorized_charge = 'charge';

// --- Nothing written ----------------------------------------------------------------------------

/// What every table holds. Folding moves money from deltas to balances: their sum counts. What the
/// sweep has seen and leases are no data.
const digestSql = `
  SELECT table_name, (xpath('/row/h/text()', query_to_xml(format(
      'SELECT concat(count(*), '':'', sum(hashtextextended(t::text, 0))) AS h FROM %I AS t',
      table_name), false, true, '')))[1]
  FROM information_schema.tables
  WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
    AND table_name NOT IN ('balances', 'balance_deltas', 'operation_sweep',
                           'floor_shares')
  UNION ALL
  SELECT 'balance ' || concat_ws(' ', account_id, ledger, currency), sum(amount_minor)::text::xml
  FROM (SELECT account_id, ledger, currency, amount_minor FROM balances UNION ALL
        SELECT account_id, ledger, currency, amount_minor FROM balance_deltas) AS b
  GROUP BY account_id, ledger, currency
  ORDER BY 1`;
const digest = async () => (await platform.sql(digestSql)).split('\n');

async function writesNothing(run) {
  const before = await digest();
  assert.ok(before.length > 15, before.join('\n'));
  await run();
  assert.deepEqual(await digest(), before, 'a refused request wrote something');
}

// --- Requests -----------------------------------------------------------------------------------

const send = (method, path, parameters, options = {}) => {
  const text = typeof parameters === 'string' ? parameters : form(parameters);
  if (method === 'POST') return platform.raw(method, path, { body: text, ...options });
  return platform.raw(method, text ? `${path}?${text}` : path, options);
};

function pathOf(pattern, ids) {
  const rest = [...ids];
  return pattern.replaceAll('{}', () => rest.shift());
}

function endpointOf(name) {
  const [method, pattern] = name.split(' ');
  const { ids = [], valid, takes, answers = 200 } = endpoints[name];
  const parameters = typeof valid === 'function' ? valid(world) : valid;
  return { method, pattern, ids, valid: parameters, takes, answers };
}

/// Runs all, at most `atOnce` at the same time, and tells all that was wrong.
async function all(cases, run) {
  const rest = cases.values();
  const wrong = [];
  const worker = async () => {
    for (const each of rest) await run(each).catch((error) => wrong.push(error.message));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  assert.ok(wrong.length === 0, `${wrong.length} wrong\n${wrong.slice(0, 20).join('\n')}`);
}

/// The answer must be this error.
function isError(answer, { status = 400, type = 'invalid_request_error', code, param }, about) {
  const text = `${about}\n  ${answer.status} ${answer.text.slice(0, 300)}`;
  assert.equal(answer.status, status, text);
  const { error } = answer.json ?? {};
  assert.ok(error, text);
  assert.equal(error.type, type, text);
  if (code !== undefined) assert.equal(error.code, code, text);
  if (param !== undefined) assert.equal(error.param, param, text);
  assert.ok(error.message.length > 0, text);
  assert.match(answer.headers.get('request-id'), /^req_[0-9A-Za-z]{22}$/, text);
  assert.equal(answer.headers.get('stripe-should-retry'), 'false', text);
}

const shown = (name, parameters) =>
  `${name} with ${(typeof parameters === 'string' ? parameters : form(parameters)).slice(0, 200)}`;

// --- Tests --------------------------------------------------------------------------------------

let routes;
const names = Object.keys(endpoints);

test('every endpoint of the server is in the table', async () => {
  routes = JSON.parse((await holdfast('routes')).out);
  assert.deepEqual(routes.map((r) => `${r.method} ${r.path}`).sort(), [...names].sort());
});

test('every parameter is in the table', async () => {
  const known = new Set(names.flatMap((name) => Object.keys(endpoints[name].takes)));
  await all(
    names.flatMap((name) => [...known].map((parameter) => [name, parameter])),
    async ([name, parameter]) => {
      const { method, pattern, ids, valid, takes } = endpointOf(name);
      const path = pathOf(
        pattern,
        ids.map((kind) => world.mine[kind]),
      );
      const sent = merge(valid, { [`${parameter}[x][y]`]: '1', colour: 'blue' });
      const answer = await send(method, path, sent);
      const { code, param } = answer.json.error;
      const taken = param !== parameter || code !== 'parameter_unknown';
      assert.equal(taken, parameter in takes, `${name} ${parameter}: ${answer.text}`);
    },
  );
});

for (const name of names) {
  test(`${name}: parameters`, () =>
    writesNothing(async () => {
      const { method, pattern, ids, valid, takes } = endpointOf(name);
      const path = pathOf(
        pattern,
        ids.map((kind) => world.mine[kind]),
      );
      const cases = Object.entries(takes).flatMap(([p, kind]) => kind(p, world));
      await all([...cases, ...anywhere(method)], async (bad) => {
        const parameters = bad.raw ?? merge(valid, bad.set);
        isError(await send(method, path, parameters, bad.options), bad, shown(name, parameters));
      });
    }));
}

/// What no endpoint takes, whatever its parameters.
function anywhere(method) {
  const many = (count, pair) => Array.from({ length: count }, (_, i) => pair(i)).join('&');
  const cases = [
    ['parameter_unknown', 'colour=blue', 'colour[a][b]=1', 'colour[]=1', 'colour'],
    ['parameter_invalid_duplicate', 'a=1&a=2', 'a[b]=1&a[b]=1'],
    ['parameter_invalid_shape', 'a=1&a[b]=2', 'a[b]=1&a=2', 'a[]=1&a[b]=2', 'a[]=1&a=2'],
    ['parameter_invalid_key', 'a[b=1', 'a]=1', '[a]=1', '=1', 'a[b]c=1', 'a[[b]]=1', 'a[b]]=1'],
    ['parameter_invalid_encoding', 'a=%00', 'a=x%00y', '%00=1', 'a[%00]=1', 'a=%', 'a=%4', 'a=%zz'],
    ['parameter_invalid_encoding', 'a=%ff', '%fe=1', 'a=%c0%80', 'a=%ed%a0%80', 'a=%f4%90%80%80'],
    [
      'parameter_limit',
      `a${'[b]'.repeat(10)}=1`,
      `${'k'.repeat(513)}=1`,
      many(1001, (i) => `a${i}=`),
    ],
  ].flatMap(([code, ...texts]) => texts.map((raw) => ({ raw, code })));
  if (method !== 'POST') return cases;
  const bytes = (...values) =>
    Buffer.from(values.flatMap((v) => (v.length ? [...v].map((c) => c.charCodeAt(0)) : v)));
  const typed = (type, raw) => ({
    raw: '',
    code: 'content_type_invalid',
    options: { body: raw, headers: { 'Content-Type': type } },
  });
  return [
    ...cases,
    ...[bytes('name=', 0), bytes('name=', 0xff, 0xfe), bytes(0), bytes(0xff, '=1')].map((body) => ({
      raw: '',
      options: { body },
      code: 'parameter_invalid_encoding',
    })),
    { raw: `a=${'x'.repeat(256 * 1024)}`, code: 'parameter_limit' },
    typed('application/json', '{"amount":1000}'),
    typed('multipart/form-data; boundary=x', '--x--'),
    typed('text/plain', 'amount=1000'),
  ];
}

test('ids in the path: malformed, of another kind, missing, of another account', () =>
  writesNothing(() =>
    all(
      names.flatMap((name) => endpointOf(name).ids.map((_, place) => [name, place])),
      async ([name, place]) => {
        const { method, pattern, ids, valid } = endpointOf(name);
        const kind = plainKind[ids[place]] ?? ids[place];
        for (const bad of badIds(kind, world)) {
          const inPath = ids.map((each) => world.mine[each]);
          inPath[place] = encodeURIComponent(bad);
          const answer = await send(method, pathOf(pattern, inPath), valid);
          isError(answer, { status: 404, code: 'resource_missing' }, `${name} ${bad}`);
        }
        for (const bad of ['%00', '%ff', '%', '..%2f', `${missingId(kind)}%2f`, 'a'.repeat(2000)]) {
          const inPath = ids.map((each) => world.mine[each]);
          inPath[place] = bad;
          const answer = await send(method, pathOf(pattern, inPath), valid);
          isError(answer, { status: 404 }, `${name} ${bad}`);
        }
      },
    ),
  ));

test('keys: none, malformed, unknown, revoked, publishable, of another account', () =>
  writesNothing(() =>
    all(names, async (name) => {
      const { method, pattern, ids, valid } = endpointOf(name);
      const path = pathOf(
        pattern,
        ids.map((kind) => world.mine[kind]),
      );
      const ask = (key, authorization) =>
        send(method, path, valid, {
          key,
          headers: {
            ...(authorization === undefined ? {} : { Authorization: authorization }),
            ...(method === 'POST' ? { 'Content-Type': 'application/x-www-form-urlencoded' } : {}),
          },
        });
      const missing = { status: 401, code: 'api_key_missing' };
      isError(await ask(null), missing, `${name} without a key`);
      for (const bad of ['', 'Bearer', 'Bearer ', 'Token x', 'Basic', 'Basic !!!', 'Basic Og=='])
        isError(await ask(null, bad), missing, `${name} ${bad}`);
      const unknown = { status: 401, code: 'api_key_invalid' };
      for (const bad of ['x', 'sk_test_', `${platform.ready.secret_key}x`, 'k'.repeat(4000)])
        isError(await ask(bad), unknown, `${name} ${bad.slice(0, 40)}`);
      isError(await ask(revokedKey), { status: 401, code: 'api_key_expired' }, `${name} revoked`);
      const { publishable } = routes.find((r) => `${r.method} ${r.path}` === name);
      if (!publishable)
        isError(
          await ask(platform.ready.publishable_key),
          { status: 403, code: 'secret_key_required' },
          `${name} with a publishable key`,
        );
      const account = await send(method, path, valid, {
        headers: { 'Stripe-Account': 'acct_0000000000000000000001' },
      });
      isError(account, { status: 403, code: 'account_invalid' }, `${name} for another account`);
    }),
  ));

test('idempotency keys: too long, empty, not text', () =>
  writesNothing(() =>
    all(
      names.filter((name) => name.startsWith('POST')),
      async (name) => {
        const { method, pattern, ids, valid } = endpointOf(name);
        const path = pathOf(
          pattern,
          ids.map((kind) => world.mine[kind]),
        );
        for (const key of ['k'.repeat(256), '', '\xff\xfe']) {
          const answer = await send(method, path, valid, { headers: { 'Idempotency-Key': key } });
          isError(answer, { code: 'idempotency_key_invalid' }, `${name} ${key.slice(0, 20)}`);
        }
      },
    ),
  ));

test('bodies over the limit are refused before they are sent', () =>
  writesNothing(() =>
    all(names, async (name) => {
      const { method, pattern, ids } = endpointOf(name);
      const path = pathOf(
        pattern,
        ids.map((kind) => world.mine[kind]),
      );
      const { status, text } = await announceBody(method, path, 1024 * 1024 + 1);
      assert.equal(status, 413, `${name}: ${text}`);
      assert.equal(JSON.parse(text).error.type, 'invalid_request_error', text);
    }),
  ));

/// Sends a head that promises a body of that size, and no body.
function announceBody(method, path, bytes) {
  return new Promise((resolve, reject) => {
    const request = httpRequest(platform.ready.api_base + path, {
      method,
      headers: {
        Authorization: `Bearer ${platform.ready.secret_key}`,
        'Content-Type': 'application/x-www-form-urlencoded',
        'Content-Length': bytes,
      },
    });
    request.on('error', reject);
    request.on('response', async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode, text });
      request.destroy();
    });
    request.flushHeaders();
  });
}

test('what the state of an object forbids writes nothing either', async () => {
  const stripe = agents.mine;
  const { payment_intent: open, refund } = world.mine;
  const another = await makers.customer(stripe);
  const paid = await pay(stripe, { confirm: true });
  const canceled = await stripe.paymentIntents.cancel((await pay(stripe)).id);
  const refunded = await pay(stripe, { confirm: true });
  await stripe.refunds.create({ payment_intent: refunded.id });
  const used = await makers.token(stripe);
  await stripe.paymentMethods.create({ type: 'card', card: { token: used } });
  const gone = await makers.customer(stripe);
  await stripe.customers.del(gone);
  const unexpected = 'payment_intent_unexpected_state';
  const cases = [
    [`payment_intents/${paid.id}/confirm`, '', unexpected],
    [`payment_intents/${paid.id}/cancel`, '', unexpected],
    [`payment_intents/${paid.id}/capture`, '', unexpected],
    [`payment_intents/${paid.id}`, 'amount=2000', unexpected],
    [`payment_intents/${canceled.id}/confirm`, '', unexpected],
    [`payment_intents/${open}/capture`, '', unexpected],
    [`charges/${paid.latest_charge}/capture`, '', 'charge_already_captured'],
    ['refunds', `payment_intent=${refunded.id}`, 'charge_already_refunded'],
    ['refunds', `payment_intent=${open}`],
    ['refunds', `charge=${paid.latest_charge}&amount=1001`, 'amount_too_large'],
    [`refunds/${refund}/cancel`, '', 'resource_not_cancelable'],
    ['payment_methods', `type=card&card[token]=${used}`, 'token_already_used'],
    ['payment_methods/pm_card_visa/attach', `customer=${gone}`, 'resource_missing'],
    [
      'payment_methods/pm_card_visa/attach',
      `customer=${missingId('customer')}`,
      'resource_missing',
    ],
    [`payment_methods/${world.mine.attached}/attach`, `customer=${another}`],
    [`payment_methods/${world.mine.payment_method}/detach`, ''],
    [`payment_intents/${open}`, `customer=${gone}`, 'resource_missing'],
    [`customers/${gone}`, 'name=Ada', 'resource_missing', 404],
    [
      'payment_intents',
      `amount=900&currency=usd&payment_method=${world.mine.attached}&confirm=true`,
    ],
  ];
  await writesNothing(() =>
    all(cases, async ([path, body, code, status]) => {
      const answer = await send('POST', `/v1/${path}`, body);
      isError(answer, { code, ...(status ? { status } : {}) }, `POST ${path} ${body}`);
    }),
  );
});

test('each valid request of the table succeeds: the faults were the only ones', async () => {
  for (const name of names) {
    const { method, pattern, ids, valid, answers } = endpointOf(name);
    const fresh = {};
    for (const kind of ids)
      fresh[kind] = await makers[kind](agents.mine, fresh.customer ?? world.mine.customer);
    const path = pathOf(
      pattern,
      ids.map((kind) => fresh[kind]),
    );
    const answer = await send(method, path, valid);
    assert.equal(answer.status, answers, `${name}: ${answer.text}`);
  }
});

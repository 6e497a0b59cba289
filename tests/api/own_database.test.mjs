// `holdfast up --database-url`: on a PostgreSQL server that somebody else runs, as an owner who is
// no superuser.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import Stripe from 'stripe';
import { Platform } from '../support/platform.mjs';
import { Postgres } from '../support/postgres.mjs';

let postgres;
let platform;

before(async () => {
  postgres = await Postgres.start();
});
after(async () => {
  await platform?.end();
  await postgres.end();
});

test('it starts, takes a payment, stops, and starts again on the same server', async () => {
  platform = await Platform.start({ args: ['--database-url', postgres.url] });
  const client = () => new Stripe(platform.ready.secret_key, platform.stripeOptions());
  const pay = () =>
    client().paymentIntents.create({
      amount: 1099,
      currency: 'usd',
      payment_method: 'pm_card_visa',
      confirm: true,
    });
  assert.equal(platform.ready.database_url, postgres.url);
  assert.equal(platform.ready.standby_url, '');
  assert.ok(!platform.services().some(({ name }) => name.startsWith('postgres')));
  const first = await pay();
  assert.equal(first.status, 'succeeded');

  const key = platform.ready.secret_key;
  await platform.restart();
  assert.ok(await postgres.accepts(), 'the server is not ours to stop');
  assert.equal(platform.ready.secret_key, key);
  assert.equal((await client().paymentIntents.retrieve(first.id)).status, 'succeeded');
  assert.equal((await pay()).status, 'succeeded');
  const { code, out } = await platform.command('check', 'ledger');
  assert.equal(code, 0, out);
  assert.deepEqual(JSON.parse(out).findings, []);
});

// `holdfast up --database-url`: on a PostgreSQL server that somebody else runs, as an owner who is
// no superuser.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
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

test('a server with a dangerous setting is refused, unless that is allowed by name', async () => {
  const rule = 'full_page_writes_off';
  await platform.stop();
  await postgres.set('full_page_writes', 'off');
  await assert.rejects(platform.launch(), (error) => {
    assert.match(error.message, new RegExp(`${rule}: .*\\n +measured +.*\\n +safe +.*`));
    assert.match(error.message, new RegExp(`--doctor-allow [a-z_,]*${rule}\\n`));
    return true;
  });
  const allow = platform.args.indexOf('--doctor-allow') + 1;
  const before = platform.args[allow];
  platform.args[allow] += `,${rule}`;
  await platform.launch();
  const log = readFileSync(join(platform.directory, 'data/log/supervisor.log'), 'utf8');
  const lines = log.trim().split('\n').map((line) => JSON.parse(line));
  const said = lines.filter(({ event, broken }) => event === 'rule_overridden' && broken);
  assert.ok(said.some((line) => line.rule === rule));
  const { findings, failed } = JSON.parse((await platform.command('doctor', '--json')).out);
  const finding = findings.find((each) => each.rule === rule);
  assert.deepEqual([finding.severity, finding.overridden], ['fail', true]);
  assert.equal(failed, false);
  await postgres.set('full_page_writes');
  platform.args[allow] = before;
  await platform.restart();
});

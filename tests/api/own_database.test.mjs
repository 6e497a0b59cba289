// `holdfast up --database-url`: on a PostgreSQL server that somebody else runs, as an owner who is
// no superuser.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import Stripe from 'stripe';
import { Platform, run } from '../support/platform.mjs';

const programs = '/usr/lib/postgresql/15/bin';
const startPatienceMs = 30_000;
/// Servers of PostgreSQL refuse to run as root.
const asServerUser = process.getuid() === 0 ? ['runuser', '-u', 'postgres', '--'] : [];

let directory;
let server;
let platform;

async function asServer(program, ...args) {
  const [first, ...rest] = [...asServerUser, join(programs, program), ...args];
  const { code, out, err } = await run(first, rest);
  assert.equal(code, 0, err);
  return out;
}
const psql = (database, statement) =>
  asServer('psql', '-X', '-h', directory, '-U', 'admin', '-d', database, '-c', statement);
const accepts = async () => (await run(join(programs, 'pg_isready'), ['-h', directory])).code === 0;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'hf-own-'));
  if (asServerUser.length) {
    const ids = ['-u', '-g'].map((flag) => run('id', [flag, 'postgres']));
    const [user, group] = (await Promise.all(ids)).map(({ out }) => Number(out));
    chownSync(directory, user, group);
  }
  const data = join(directory, 'data');
  await asServer('initdb', '-D', data, '-U', 'admin', '--auth=trust', '--no-sync');
  const options = ['-c', 'listen_addresses=', '-c', `unix_socket_directories=${directory}`];
  const [first, ...rest] = [...asServerUser, join(programs, 'postgres'), '-D', data, ...options];
  server = spawn(first, rest, { stdio: 'ignore' });
  for (const until = Date.now() + startPatienceMs; !(await accepts()); await pause(20))
    assert.ok(Date.now() < until, 'PostgreSQL did not start');
  await psql('postgres', 'CREATE ROLE shop LOGIN CREATEROLE');
  await psql('postgres', 'CREATE DATABASE shop OWNER shop');
});
after(async () => {
  if (platform) await platform.end();
  await asServer('pg_ctl', '-D', join(directory, 'data'), '-m', 'fast', 'stop');
  if (server.exitCode === null) await once(server, 'exit');
  rmSync(directory, { recursive: true, force: true });
});

test('it starts, takes a payment, stops, and starts again on the same server', async () => {
  const url = `postgresql://shop@/shop?host=${encodeURIComponent(directory)}`;
  platform = await Platform.start({ args: ['--database-url', url] });
  const client = () => new Stripe(platform.ready.secret_key, platform.stripeOptions());
  const pay = () =>
    client().paymentIntents.create({
      amount: 1099,
      currency: 'usd',
      payment_method: 'pm_card_visa',
      confirm: true,
    });
  assert.equal(platform.ready.database_url, url);
  assert.equal(platform.ready.standby_url, '');
  assert.ok(!platform.services().some(({ name }) => name.startsWith('postgres')));
  const first = await pay();
  assert.equal(first.status, 'succeeded');

  const key = platform.ready.secret_key;
  await platform.restart();
  assert.ok(await accepts(), 'the server is not ours to stop');
  assert.equal(platform.ready.secret_key, key);
  assert.equal((await client().paymentIntents.retrieve(first.id)).status, 'succeeded');
  assert.equal((await pay()).status, 'succeeded');
  const { code, out } = await platform.command('check', 'ledger');
  assert.equal(code, 0, out);
  assert.deepEqual(JSON.parse(out).findings, []);
});

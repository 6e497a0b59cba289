// `holdfast doctor` as an operator runs it: on a platform that `up` has made, and on plans for it.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Platform, holdfast } from '../support/platform.mjs';

let platform;

before(async () => {
  platform = await Platform.start();
});
after(() => platform.end());

/// Where tests keep their data may be in memory: that is said, and is of this machine.
const aboutTheMachine = ['data_in_memory'];

const cores = ['--database-cores', '4'];

async function findings(...args) {
  const { code, out } = await platform.command('doctor', '--json', ...cores, ...args);
  const report = JSON.parse(out);
  const found = report.findings.filter(({ rule }) => !aboutTheMachine.includes(rule));
  assert.equal(code, report.failed ? 1 : 0);
  return { found, ids: found.map(({ rule }) => rule), rules: report.rules };
}

test('is silent on what `up` makes with its defaults', async () => {
  const { ids, rules } = await findings();
  assert.deepEqual(ids, []);
  const { out } = await platform.command('doctor', ...cores);
  if (!out.includes('data_in_memory')) assert.equal(out, `all ${rules} rules hold\n`);
});

test("the remedy of a flash sale's outage, 12 instances of 200 connections, fails", async () => {
  const { found } = await findings('--instances', '12', '--db-pool-max', '200');
  assert.equal(found[0].rule, 'connections_exceed_server');
  assert.equal(found[0].severity, 'fail');
  for (const field of ['consequence', 'measured', 'safe']) assert.notEqual(found[0][field], '');
});

test('settings come from where `serve` has them', async () => {
  const { ids } = await findings('--api-request-timeout', '9', '--acquirer-timeout', '9');
  assert.deepEqual(ids, ['timeout_ladder', 'statement_timeout_unbounded']);
});

test('a warning alone does not fail', async () => {
  const { found } = await findings('--surge', '9');
  assert.deepEqual(found.map(({ rule, severity }) => [rule, severity]), [
    ['no_room_for_rollout', 'warn'],
  ]);
});

test('looks at any server by its URL, and sees what that login may see', async () => {
  const file = readFileSync(join(platform.directory, 'data', 'platform.json'), 'utf8');
  const { database_url: url } = JSON.parse(file);
  const { code, out } = await holdfast('doctor', '--json', '--database-url', url);
  assert.ok(JSON.parse(out).findings.some(({ rule }) => rule === 'facts_hidden'));
  assert.equal(code, 0);
});

test('an error names the server that does not answer', async () => {
  const url = 'postgresql://nobody@127.0.0.1:1/none';
  const { code, out } = await holdfast('doctor', '--database-url', url);
  assert.equal(code, 1);
  assert.match(out, /^FAIL server_unreachable: /);
  assert.match(out, /127\.0\.0\.1:1/);
});

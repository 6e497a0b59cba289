// `holdfast doctor` as an operator runs it: on a platform that `up` has made, and on plans for it.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Platform, binary, holdfast } from '../support/platform.mjs';

let platform;

before(async () => {
  platform = await Platform.start();
});
after(() => platform.end());

/// Where tests keep their data may be in memory or nearly full: that is of this machine.
const aboutTheMachine = [
  'data_in_memory',
  'command_log_without_room',
  'command_log_beside_database',
];

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
  if (!aboutTheMachine.some((rule) => out.includes(rule)))
    assert.equal(out, `all ${rules} rules hold\n`);
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

const tooShort = ['--api-request-timeout', '9', '--acquirer-timeout', '9'];

test('`up` does not start with settings that fail, and touches nothing', async () => {
  const data = join(platform.directory, 'never');
  const { code, err } = await holdfast('up', '--data', data, '--port', '0', ...tooShort);
  assert.equal(code, 1);
  assert.match(err, /timeout_ladder: .*\n +measured +acquirer.timeout 9000 ms.*\n +safe +/);
  assert.match(err, /--doctor-allow timeout_ladder/);
  assert.ok(!existsSync(data));
});

test('what is allowed is a rule', async () => {
  const { code, err } = await holdfast('config', 'show', '--doctor-allow', 'fsync_of');
  assert.equal(code, 1);
  assert.match(err, /doctor\.allow \(--doctor-allow\): the doctor has no rule fsync_of/);
});

/// Until a line of its log says `event`, or it ends; what it said.
async function serve(event, url, ...args) {
  const secrets = join(platform.directory, 'data', 'secrets');
  const log = join(platform.directory, 'serve-log');
  mkdirSync(log, { recursive: true });
  const child = spawn(binary, [
    ...['serve', '--database-url', url, '--acquirer-url', platform.ready.acquirer_url],
    ...['--acquirer-secret-file', join(secrets, 'acquirer_secret')],
    ...['--id-secret-file', join(secrets, 'id_secret'), '--command-log', join(log, 'pay'), ...args],
  ]);
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
    if (said.includes(`"event":"${event}"`)) child.kill('SIGTERM');
  });
  await once(child, 'close');
  return said;
}

test('`serve` by itself asks as well, and once more when its servers answer', async () => {
  const url = platform.ready.database_url;
  assert.match(await serve('serving', url, ...tooShort), /timeout_ladder: /);
  const endless = `${url}&options=-c%20statement_timeout%3D0`;
  const refused = await serve('serving', endless);
  assert.match(refused, /statement_timeout_unbounded: /);
  assert.ok(!refused.includes('"event":"serving"'));
  const allow = ['--doctor-allow', 'statement_timeout_unbounded'];
  const forced = await serve('serving', endless, ...allow);
  assert.match(forced, /"event":"rule_overridden","rule":"statement_timeout_unbounded"/);
  assert.match(forced, /"event":"serving"/);
});

test('a database that is away keeps nobody from starting', async () => {
  const said = await serve('waiting_for_database', 'postgresql://nobody@127.0.0.1:1/none');
  assert.match(said, /"event":"waiting_for_database"/);
  assert.doesNotMatch(said, /not started/);
});

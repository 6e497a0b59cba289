// `holdfast drill` itself: one short drill from an empty directory to its verdict, ctrl-C in the
// middle of one, and what a reader of its JSON relies on.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { binary, holdfast } from '../support/platform.mjs';
import { drill } from '../support/drills.mjs';

const slowdown = Number(process.env.TEST_SLOWDOWN ?? 3); // sanitizers and a busy machine
const failoverMaxMs = 3_000;

test('a primary is killed in a drill', { timeout: 600_000 }, async () => {
  const result = await drill('primary-killed', '--quick', '--rate', '10');
  assert.equal(result.valid, true, result.said);
  for (const key of ['failed', 'lost', 'doubled', 'orphan_holds', 'event_missing'])
    assert.equal(result[key], 0, `${key}\n${result.said}`);
  assert.ok(result.ledger_balanced && result.books_agree);
  assert.ok(result.succeeded > 50 && result.succeeded <= result.offered);
  assert.ok(result.max_stall_ms < failoverMaxMs * slowdown, `stood still ${result.max_stall_ms}`);
  assert.match(result.said, /postgres-a \(pid \d+\) is gone/);
});

test('ctrl-C ends a drill and all it started', { timeout: 300_000 }, async () => {
  const directory = mkdtempSync('/tmp/hf-');
  chmodSync(directory, 0o755);
  const child = spawn(binary, ['drill', 'run', 'primary-killed', '--quick', '--rate', '5'], {
    env: { ...process.env, TMPDIR: directory },
  });
  let said = '';
  let sent = false; // once: later it would no longer be waited for
  child.stderr.on('data', (chunk) => {
    said += chunk;
    if (!sent && said.includes('purchases/s')) sent = child.kill('SIGINT'); // the load has begun
  });
  const [code] = await once(child, 'exit');
  assert.equal(code, 1);
  assert.match(said, /interrupted/);
  assert.deepEqual(readdirSync(directory), []);
  rmdirSync(directory);
  const left = spawnSync('pgrep', ['-f', directory], { encoding: 'utf8' });
  assert.equal(left.stdout, '', 'processes are left');
});

test('a drill that may not mount is invalid and says why', async (t) => {
  if (process.getuid() !== 0) return t.skip('takes the right to mount away from root');
  const run = [binary, 'drill', 'run', 'disk-full', '--json'];
  const { stdout, status } = spawnSync('setpriv', ['--bounding-set=-sys_admin', ...run], {
    encoding: 'utf8',
  });
  assert.equal(status, 1);
  assert.equal(JSON.parse(stdout).verdict, 'invalid');
  const told = spawnSync('setpriv', ['--bounding-set=-sys_admin', ...run.slice(0, -1)], {
    encoding: 'utf8',
  });
  assert.match(told.stdout, /run it as root with CAP_SYS_ADMIN, or allow user namespaces/);
});

test('drills are listed, and others refused', async () => {
  const { out } = await holdfast('drill', 'list', '--json');
  const names = JSON.parse(out).map(({ name }) => name);
  assert.ok(names.includes('000-migration-lock') && names.includes('primary-killed'));
  const page = readFileSync('docs/operating/drills.md', 'utf8');
  for (const name of names) assert.ok(page.includes(`| \`${name}\` |`), `${name} is explained`);
  const refused = await holdfast('drill', 'run', 'nonsense');
  assert.equal(refused.code, 1);
  assert.match(refused.err, /there is no drill nonsense; there are: 000-migration-lock/);
});

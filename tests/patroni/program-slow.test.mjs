// tests/support/patroni.mjs as a program: a cluster for those who are not written in JavaScript. It
// says where it is, and leaves nothing behind however it is ended.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { alive, postgresPids, until } from '../support/processes.mjs';
import { run } from '../support/platform.mjs';

const script = new URL('../support/patroni.mjs', import.meta.url).pathname;
const startPatienceMs = 300_000;

test('it starts a cluster, says where it is, and ends all of it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'hf-program-'));
  const file = join(directory, 'ready.json');
  const program = spawn(process.execPath, [script, file], { stdio: 'inherit' });
  try {
    const text = await until(
      'it is ready',
      () => existsSync(file) && readFileSync(file, 'utf8').endsWith('}\n') && readFileSync(file),
      startPatienceMs,
    );
    const ready = JSON.parse(text);
    const { out } = await run('psql', ['-X', '-A', '-t', '-d', ready.app_url, '-c', 'SELECT 42']);
    assert.equal(out, '42\n');
    const pids = ready.nodes.flatMap((node) => [node.agent_pid, ...postgresPids(node.data)]);
    assert.ok(pids.length > ready.nodes.length * 4);
    assert.ok(pids.every(alive));
    const ended = once(program, 'exit');
    program.kill('SIGTERM');
    await ended;
    await until('nothing runs any more', () => !pids.some(alive));
    assert.ok(!existsSync(dirname(ready.nodes[0].data)));
  } finally {
    program.kill('SIGTERM');
    rmSync(directory, { recursive: true, force: true });
  }
});

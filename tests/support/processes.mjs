// Processes that a test starts itself: they die with it, log to a file, and free ports for them.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { run } from './platform.mjs';

const deploy = fileURLToPath(new URL('../../deploy/', import.meta.url));

/// Servers of PostgreSQL refuse to run as root.
export const serverUser = process.getuid() === 0 ? 'postgres' : null;

/// As many ports as asked for, free now on 127.0.0.1.
export async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

/// Starts a program that gets SIGKILL when we end. `user`: whom it runs as, if not as us.
export function start(argv, { log, env = {}, user = null }) {
  const as = user ? [`--reuid=${user}`, `--regid=${user}`, '--init-groups'] : [];
  const output = openSync(log, 'a');
  const child = spawn('setpriv', ['--pdeathsig=KILL', ...as, '--', ...argv], {
    stdio: ['ignore', output, output],
    env: { ...process.env, ...env },
  });
  closeSync(output);
  return child;
}

export const running = (child) => child.exitCode === null && child.signalCode === null;

export async function stop(child, signal = 'SIGTERM') {
  if (!running(child)) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

/// Waits until `condition()` answers with something true, and answers with that. What it throws
/// counts as no.
export async function until(what, condition, patienceMs = 60_000) {
  const end = Date.now() + patienceMs;
  for (;;) {
    const found = await (async () => condition())().catch(() => null);
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${patienceMs} ms: ${what}`);
    await pause(50);
  }
}

export function childrenOf(pid) {
  const found = spawnSync('ps', ['--ppid', String(pid), '-o', 'pid='], { encoding: 'utf8' });
  return found.stdout.trim().split(/\s+/).filter(Boolean).map(Number);
}

/// A process and its children: a server of PostgreSQL with its backends.
export const withChildren = (pid) => [pid, ...childrenOf(pid)];

/// A server of PostgreSQL and its backends; empty when it does not run.
export function postgresPids(dataDirectory) {
  let postmaster;
  try {
    postmaster = Number(readFileSync(`${dataDirectory}/postmaster.pid`, 'utf8').split('\n')[0]);
  } catch {
    return [];
  }
  return withChildren(postmaster).filter(alive);
}

/// Neither ended nor a zombie that nobody has collected.
export function alive(pid) {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

export function signal(pids, name) {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }
}

/// Fills a template of deploy/ as an operator does.
export async function fill(template, ...values) {
  const { code, out, err } = await run(`${deploy}fill`, [`${deploy}${template}`, ...values]);
  if (code !== 0) throw new Error(err);
  return out;
}

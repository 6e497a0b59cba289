// A whole Holdfast for one test file: `holdfast up` on a directory of its own, any free port.
// The tests talk to it with the unmodified stripe client and, where they need bytes that no client
// would send, with fetch.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, existsSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';

export const binary = process.env.TEST_BINARY ?? 'build/test/holdfast';
const startPatienceMs = 180_000;
const stopPatienceMs = 60_000;

export class Platform {
  /// `allow`: rules of the doctor that what is tested breaks on purpose.
  static async start({ instances = 1, args = [], allow = [], directory } = {}) {
    const platform = new Platform();
    platform.directory = directory ?? mkdtempSync(join(tmpdir(), 'hf-'));
    chmodSync(platform.directory, 0o755);
    // Where tests keep their data may be in memory.
    const inMemory = ['data_in_memory', 'command_log_in_memory'];
    platform.allowed = ['--doctor-allow', [...inMemory, ...allow].join(',')];
    platform.args = ['--port', '0', '--instances', String(instances), ...platform.allowed, ...args];
    await platform.#launch();
    return platform;
  }

  async #launch() {
    const readyFile = join(this.directory, 'ready.json');
    rmSync(readyFile, { force: true });
    this.output = '';
    this.child = spawn(
      binary,
      ['up', '--data', join(this.directory, 'data'), '--ready-file', readyFile, ...this.args],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    for (const stream of [this.child.stdout, this.child.stderr])
      stream.on('data', (chunk) => (this.output += chunk));
    const started = Date.now();
    while (!existsSync(readyFile)) {
      if (this.child.exitCode !== null || Date.now() - started > startPatienceMs)
        throw new Error(`holdfast up did not get ready:\n${this.output}`);
      await pause(20);
    }
    this.startedInMs = Date.now() - started;
    this.ready = JSON.parse(readFileSync(readyFile, 'utf8'));
  }

  /// Stops as ctrl-C does; the data stays.
  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGTERM');
      const timer = setTimeout(() => this.child.kill('SIGKILL'), stopPatienceMs);
      await once(this.child, 'exit');
      clearTimeout(timer);
    }
    return this.child.exitCode;
  }

  async restart() {
    await this.stop();
    await this.#launch();
  }

  /// The services that the supervisor runs: [{ name, pid }].
  services() {
    return JSON.parse(readFileSync(join(this.directory, 'data', 'supervisor.json'), 'utf8'));
  }

  /// How the database pair is: { primary, epoch, promotable }.
  pair() {
    return JSON.parse(readFileSync(join(this.directory, 'data', 'cluster.json'), 'utf8'));
  }

  /// kill -9 of the supervisor; its services go on. start() again with launch().
  async killSupervisor() {
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
  launch() {
    return this.#launch();
  }

  /// Stops and removes everything.
  async end() {
    const code = await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
    if (code !== 0) throw new Error(`holdfast up exited with ${code}:\n${this.output}`);
  }

  /// Options for `new Stripe(key, options)`.
  stripeOptions(more = {}) {
    const url = new URL(this.ready.api_base);
    return { host: url.hostname, port: url.port, protocol: 'http', ...more };
  }

  /// One raw request with the test key. `body` as it stands.
  async raw(method, path, { body, headers = {}, key = this.ready.secret_key } = {}) {
    const response = await fetch(this.ready.api_base + path, {
      method,
      body,
      headers: {
        ...(key ? { Authorization: `Bearer ${key}` } : {}),
        ...(body !== undefined ? { 'Content-Type': 'application/x-www-form-urlencoded' } : {}),
        ...headers,
      },
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: parsed(text) };
  }

  /// The answer of the database to an SQL statement: a line per row, columns parted by '|'.
  async sql(statement) {
    const quiet = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1'];
    const { code, out, err } = await run('psql', [
      ...quiet,
      ...['-d', this.ready.database_url, '-c', statement],
    ]);
    if (code !== 0) throw new Error(`psql: ${err}`);
    return out.trimEnd();
  }

  /// Runs a holdfast command on this platform's data and returns its output.
  command(...args) {
    return holdfast(...args, '--data', join(this.directory, 'data'));
  }
}

/// Runs a holdfast command that needs no platform.
export const holdfast = (...args) => run(binary, args);

/// Runs a program to its end.
export async function run(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  const [code] = await once(child, 'close');
  return { code, out, err };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/// The error a promise is rejected with.
export async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('expected an error, got an answer');
}

export async function collect(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

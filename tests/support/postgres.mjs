// A PostgreSQL server that a test runs itself, as one that belongs to somebody else: for
// `holdfast up --database-url`. Who connects, `shop`, owns the database and is no superuser.

import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { run } from './platform.mjs';
import { freePorts } from './processes.mjs';

const programs = '/usr/lib/postgresql/15/bin';
const startPatienceMs = 30_000;
/// Servers of PostgreSQL refuse to run as root.
const asServerUser = process.getuid() === 0 ? ['runuser', '-u', 'postgres', '--'] : [];

function commandLine(program, args) {
  const [first, ...rest] = [...asServerUser, join(programs, program), ...args];
  return [first, rest];
}

async function succeed(program, ...args) {
  const { code, err } = await run(...commandLine(program, args));
  if (code !== 0) throw new Error(`${program}: ${err}`);
}

export class Postgres {
  /// `env`: on top of ours, for the server. `tls`: it listens on TCP as well,
  /// and speaks TLS there.
  static async start({ env = {}, tls = false } = {}) {
    const postgres = new Postgres();
    postgres.tls = tls;
    postgres.directory = mkdtempSync(join(tmpdir(), 'hf-own-'));
    if (asServerUser.length) {
      const ids = ['-u', '-g'].map((flag) => run('id', [flag, 'postgres']));
      const [user, group] = (await Promise.all(ids)).map(({ out }) => Number(out));
      chownSync(postgres.directory, user, group);
    }
    chmodSync(postgres.directory, 0o755);
    const data = join(postgres.directory, 'data');
    const usual = ['-U', 'admin', '--auth=trust', '--data-checksums', '--no-sync'];
    await succeed('initdb', '-D', data, ...usual);
    const sockets = `unix_socket_directories=${postgres.directory}`;
    [postgres.port] = await freePorts(1); // of the socket's name, and of TCP where it is used
    const addresses = `listen_addresses=${tls ? '127.0.0.1' : ''}`;
    const args = ['-D', data, '-p', String(postgres.port), '-c', addresses, '-c', sockets];
    if (tls) args.push('-c', await postgres.#useTls(data));
    postgres.server = spawn(...commandLine('postgres', args), {
      env: { ...process.env, ...env },
      stdio: 'ignore',
    });
    for (const until = Date.now() + startPatienceMs; !(await postgres.accepts()); await pause(20))
      if (Date.now() > until) throw new Error('PostgreSQL did not start');
    await postgres.#sql('CREATE ROLE shop LOGIN CREATEROLE');
    await postgres.#sql('CREATE DATABASE shop OWNER shop');
    return postgres;
  }

  async #useTls(data) {
    const files = ['-keyout', join(data, 'server.key'), '-out', join(data, 'server.crt')];
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost'];
    const [program, ...args] = [...asServerUser, 'openssl', ...request, ...files];
    const { code, err } = await run(program, args);
    if (code !== 0) throw new Error(`openssl: ${err}`);
    return 'ssl=on';
  }

  /// Where it listens, as net.connect() takes it.
  get address() {
    if (this.tls) return { host: '127.0.0.1', port: this.port };
    return { path: join(this.directory, `.s.PGSQL.${this.port}`) };
  }

  get url() {
    return `postgresql://shop@:${this.port}/shop?host=${encodeURIComponent(this.directory)}`;
  }

  async accepts() {
    const where = ['-h', this.directory, '-p', `${this.port}`];
    return (await run(join(programs, 'pg_isready'), where)).code === 0;
  }

  /// Changes a setting of the server; undefined: back to what it was.
  async set(setting, value) {
    await this.#sql(`ALTER SYSTEM ${value ? `SET ${setting} = ${value}` : `RESET ${setting}`}`);
    await this.#sql('SELECT pg_reload_conf()');
  }

  #sql(statement) {
    const where = ['-h', this.directory, '-p', `${this.port}`, '-U', 'admin', '-d', 'postgres'];
    return succeed('psql', '-X', ...where, '-c', statement);
  }

  async end() {
    await succeed('pg_ctl', '-D', join(this.directory, 'data'), '-m', 'fast', 'stop');
    if (this.server.exitCode === null) await once(this.server, 'exit');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

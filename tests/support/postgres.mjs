// A PostgreSQL server that a test runs itself, as one that belongs to somebody else: for
// `holdfast up --database-url`. Who connects, `shop`, owns the database and is no superuser.

import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { run } from './platform.mjs';

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
  /// `env`: on top of ours, for the server.
  static async start({ env = {} } = {}) {
    const postgres = new Postgres();
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
    const args = ['-D', data, '-c', 'listen_addresses=', '-c', sockets];
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

  get url() {
    return `postgresql://shop@/shop?host=${encodeURIComponent(this.directory)}`;
  }

  async accepts() {
    return (await run(join(programs, 'pg_isready'), ['-h', this.directory])).code === 0;
  }

  /// Changes a setting of the server; undefined: back to what it was.
  async set(setting, value) {
    await this.#sql(`ALTER SYSTEM ${value ? `SET ${setting} = ${value}` : `RESET ${setting}`}`);
    await this.#sql('SELECT pg_reload_conf()');
  }

  #sql(statement) {
    const who = ['-X', '-h', this.directory, '-U', 'admin', '-d', 'postgres'];
    return succeed('psql', ...who, '-c', statement);
  }

  async end() {
    await succeed('pg_ctl', '-D', join(this.directory, 'data'), '-m', 'fast', 'stop');
    if (this.server.exitCode === null) await once(this.server, 'exit');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

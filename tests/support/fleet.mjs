// Holdfast on several machines, all of them this one: processes of its own for every part, started
// with the commands of deploy/systemd, and HAProxy in front. It uses a database that is there
// already. To the tests it looks like a Platform (platform.mjs).
//
//   const fleet = await Fleet.start({ appUrl, deployUrl, instances: 3 });
//   fleet.instances[0].kill('SIGTERM');      // drains
//   await fleet.end();

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect } from 'node:net';
import { randomBytes } from 'node:crypto';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { binary, run } from './platform.mjs';
import * as processes from './processes.mjs';

const { until } = processes;
const readyPatienceMs = 120_000;
const places = 3; // of instances in haproxy.cfg

export class Fleet {
  static async start({ appUrl, deployUrl, instances = places }) {
    const fleet = new Fleet();
    try {
      await fleet.#start(appUrl, deployUrl, instances);
    } catch (error) {
      await fleet.end();
      throw error;
    }
    return fleet;
  }

  async #start(appUrl, deployUrl, count) {
    this.directory = mkdtempSync(join(tmpdir(), 'hf-fleet-'));
    this.instances = [];
    const [apiPort, acquirerPort, admin, ...ports] = await processes.freePorts(3 + 2 * places);
    this.values = join(this.directory, 'cluster.values');
    this.adminPort = admin;
    this.ready = {
      api_base: `http://127.0.0.1:${apiPort}`,
      database_url: appUrl,
      acquirer_url: `http://127.0.0.1:${acquirerPort}`,
      acquirer_admin_token: this.#secret('acquirer_admin_token'),
    };
    this.#secret('acquirer_secret');
    this.#secret('id_secret');
    const addresses = ports.slice(0, places).map((port, i) => `PAY_${i + 1}=127.0.0.1:${port}\n`);
    const peers = ports.slice(places).map((port, i) => `pay-app${i + 1}=127.0.0.1:${port}`);
    writeFileSync(
      this.values,
      `HOLDFAST=${resolve(binary)}\nADDRESS=127.0.0.1\nAPI_PORT=${apiPort}\n` +
        `HAPROXY_USER=${process.getuid() === 0 ? 'haproxy' : userInfo().username}\n` +
        `DIRECTORY=${this.directory}\nSECRETS=${this.directory}\nAPP_URL=${appUrl}\n` +
        `ACQUIRER_URL=${this.ready.acquirer_url}\n${addresses.join('')}PEERS=${peers.join()}\n`,
    );
    this.acquirer = this.#startAcquirer(acquirerPort);
    await this.#succeed('migrate', '--database-url', deployUrl);
    const at = ['--database-url', appUrl, '--json'];
    const { account } = JSON.parse(await this.#succeed('account', 'create', 'Fleet', ...at));
    const made = await this.#succeed('keys', 'create', '--account', account, ...at);
    this.ready.secret_key = JSON.parse(made).key;
    for (let i = 0; i < count; ++i)
      this.instances.push({ number: i + 1, port: ports[i], adminPort: ports[places + i] });
    await Promise.all(this.instances.map((instance) => this.startInstance(instance)));
    this.background = await this.#startUnit('background', {
      NODE: 'app1',
      BACKGROUND_ADMIN_PORT: this.adminPort,
    });
    await this.#startProxy();
  }

  /// A file of 256 random bits, as `openssl rand -hex 32` makes it.
  #secret(name) {
    const secret = randomBytes(32).toString('hex');
    writeFileSync(join(this.directory, name), secret, { mode: 0o600 });
    return secret;
  }

  #startAcquirer(port) {
    const books = join(this.directory, 'books');
    mkdirSync(books);
    return processes.start(
      [
        ...[binary, 'acquirer', '--port', String(port), '--books', books],
        ...['--secret-file', join(this.directory, 'acquirer_secret')],
        ...['--admin-token-file', join(this.directory, 'acquirer_admin_token')],
      ],
      { log: join(this.directory, 'acquirer.log') },
    );
  }

  async startInstance(instance) {
    const { number, port, adminPort } = instance;
    const state = join(this.directory, `state-${number}`);
    mkdirSync(state, { recursive: true });
    instance.process = await this.#startUnit('pay', {
      ...{ NODE: `app${number}`, PAY_PORT: port, PAY_ADMIN_PORT: adminPort, STATE: state },
    });
    instance.kill = (signal) => instance.process.kill(signal);
    await until(
      `instance ${number} is ready`,
      async () => {
        if (!processes.running(instance.process)) return false;
        return (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;
      },
      readyPatienceMs,
    );
  }

  /// What the unit's ExecStart= says, once it is filled in.
  async #startUnit(role, values) {
    const own = join(this.directory, `${role}-${values.NODE}.values`);
    const text = Object.entries(values).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(own, text.join(''));
    const template = `systemd/holdfast-${role}.service.template`;
    const unit = await processes.fill(template, this.values, own);
    const command = /^ExecStart=(.*)$/m.exec(unit)[1].split(' ');
    return processes.start(command, { log: join(this.directory, `${role}-${values.NODE}.log`) });
  }

  async #startProxy() {
    const config = join(this.directory, 'haproxy.cfg');
    const filled = await processes.fill('haproxy/haproxy.cfg.template', this.values);
    writeFileSync(config, filled);
    const log = join(this.directory, 'haproxy.log');
    this.proxy = processes.start(['/usr/sbin/haproxy', '-db', '-f', config], { log });
    await until('HAProxy finds an instance ready', async () =>
      (await fetch(`${this.ready.api_base}/readyz`)).ok,
    );
  }

  /// What HAProxy knows of an instance: whether it gets requests, and how many it was given.
  async asSeenByProxy(instance) {
    const socket = connect(join(this.directory, 'haproxy.sock'));
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    socket.end('show stat\n');
    await once(socket, 'close');
    const [head, ...rows] = text.split('\n').map((line) => line.replace(/^# /, '').split(','));
    const name = `pay${instance.number}`;
    const row = rows.find((columns) => columns[0] === 'ready' && columns[1] === name);
    const up = row[head.indexOf('status')].startsWith('UP'); // UP 1/2: about to go down
    return { up, requests: Number(row[head.indexOf('stot')]) };
  }

  // --- as a Platform ---------------------------------------------------------------------------

  stripeOptions(more = {}) {
    const { hostname: host, port } = new URL(this.ready.api_base);
    return { host, port, protocol: 'http', ...more };
  }

  /// Runs a holdfast command on this database and acquirer.
  command(...args) {
    return run(binary, [
      ...args,
      ...['--database-url', this.ready.database_url, '--acquirer-url', this.ready.acquirer_url],
      ...['--acquirer-secret-file', join(this.directory, 'acquirer_secret')],
    ]);
  }

  async #succeed(...args) {
    const { code, out, err } = await run(binary, args);
    if (code !== 0) throw new Error(`holdfast ${args.join(' ')}: ${out}${err}`);
    return out;
  }

  async end() {
    if (this.proxy) await processes.stop(this.proxy, 'SIGKILL');
    const ours = [...this.instances.map((instance) => instance.process), this.background];
    await Promise.all(ours.filter(Boolean).map((child) => processes.stop(child)));
    if (this.acquirer) await processes.stop(this.acquirer);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

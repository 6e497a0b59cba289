// Three nodes of Patroni and three members of etcd on this machine, from the templates that an
// operator fills in (deploy/), as an unprivileged user and on free ports.
//
//   const cluster = await PatroniCluster.start();
//   const { name } = await cluster.leader();
//   await cluster.killServer(name);          // its postmaster alone: the agent lives
//   await cluster.end();
//
// As a program it starts a cluster for others, says in a file where it is, and ends with SIGTERM:
//
//   node tests/support/patroni.mjs READY_FILE

import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { run } from './platform.mjs';
import { setTimeout as pause } from 'node:timers/promises';
import * as processes from './processes.mjs';

const { until } = processes;
const startPatienceMs = 300_000;
const answerPatienceMs = 1_000;
const watchEveryMs = 100;
const names = ['db1', 'db2', 'db3'];

export class PatroniCluster {
  /// `etcd3`: the configuration that loses payments with Patroni 3.0.2. `dcs`: lines that replace
  /// those of their key in bootstrap.dcs.
  static async start({ etcd3 = false, dcs = {} } = {}) {
    const cluster = new PatroniCluster();
    try {
      await cluster.#prepare(etcd3, dcs);
      for (const name of names) cluster.#startEtcd(name);
      await until('etcd has a leader', () => cluster.#etcdHealthy(), startPatienceMs);
      for (const name of names) cluster.startAgent(name);
      await cluster.whole(startPatienceMs);
    } catch (error) {
      await cluster.end();
      throw error;
    }
    return cluster;
  }

  async #prepare(etcd3, dcs) {
    this.directory = mkdtempSync(join(tmpdir(), 'hf-ha-'));
    // Servers of PostgreSQL outlive their agents, so they have to be ended however we end.
    this.onExit = () => this.#endNow();
    process.once('exit', this.onExit);
    for (const name of ['SIGTERM', 'SIGINT']) process.once(name, () => process.exit(1));
    this.owner = await ownerIds();
    this.#give(this.directory, 0o755);
    const ports = await processes.freePorts(names.length * 4);
    const secret = () => randomBytes(12).toString('hex');
    this.nodes = Object.fromEntries(
      names.map((name, i) => [name, this.#node(name, ports.slice(i * 4, i * 4 + 4))]),
    );
    const nodes = Object.values(this.nodes);
    this.passwords = {};
    for (const who of ['PATRONI', 'SUPERUSER', 'REPLICATION', 'REWIND', 'DEPLOY', 'APP', 'WATCH'])
      this.passwords[who] = secret();
    const common = join(this.directory, 'cluster.values');
    writeFileSync(
      common,
      lines({
        SCOPE: 'holdfast',
        NETWORK: '127.0.0.1/32',
        ETCD_HOSTS: nodes.map((node) => `127.0.0.1:${node.etcdPort}`).join(','),
        ETCD_MEMBERS: nodes.map((n) => `${n.name}=http://127.0.0.1:${n.etcdPeerPort}`).join(','),
        SHARED_BUFFERS: '32MB',
        ...Object.fromEntries(
          Object.entries(this.passwords).map(([who, word]) => [`${who}_PASSWORD`, word]),
        ),
      }),
    );
    for (const node of nodes) await this.#configure(node, common, etcd3, dcs);
    this.passfile = join(this.directory, 'pgpass');
    const logins = { holdfast_app: 'APP', holdfast_deploy: 'DEPLOY', holdfast_watch: 'WATCH' };
    writeFileSync(
      this.passfile,
      Object.entries({ ...logins, postgres: 'SUPERUSER' })
        .map(([role, who]) => `*:*:*:${role}:${this.passwords[who]}\n`)
        .join(''),
      { mode: 0o600 },
    );
  }

  #node(name, [port, restPort, etcdPort, etcdPeerPort]) {
    const directory = join(this.directory, name);
    mkdirSync(directory);
    this.#give(directory, 0o700);
    const data = join(directory, 'data');
    return { name, directory, data, port, restPort, etcdPort, etcdPeerPort };
  }

  async #configure(node, common, etcd3, dcs) {
    const own = join(node.directory, 'node.values');
    writeFileSync(
      own,
      lines({
        NODE: node.name,
        ADDRESS: '127.0.0.1',
        DIRECTORY: node.directory,
        SOCKETS: node.directory,
        DATA: node.data,
        POSTGRES_PORT: node.port,
        PATRONI_PORT: node.restPort,
        ETCD_PORT: node.etcdPort,
        ETCD_PEER_PORT: node.etcdPeerPort,
        ETCD_DATA: join(node.directory, 'etcd'),
      }),
    );
    const values = [common, own];
    let patroni = await processes.fill('patroni/patroni.yml.template', ...values);
    if (etcd3) patroni = replaced(patroni, /^etcd:$/m, 'etcd3:');
    for (const [key, value] of Object.entries(dcs))
      patroni = replaced(patroni, new RegExp(`^    ${key}: \\S+`, 'm'), `    ${key}: ${value}`);
    node.config = this.#file(node, 'patroni.yml', patroni, 0o600);
    const script = await processes.fill('patroni/create-database.sh.template', ...values);
    this.#file(node, 'create-database.sh', script, 0o700);
    const etcd = await processes.fill('etcd/etcd.template', ...values);
    node.etcdEnv = Object.fromEntries(
      etcd
        .split('\n')
        .filter((line) => /^[A-Z]/.test(line))
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
  }

  #file(node, name, text, mode) {
    const path = join(node.directory, name);
    writeFileSync(path, text);
    this.#give(path, mode);
    return path;
  }

  #give(path, mode) {
    if (this.owner) chownSync(path, ...this.owner);
    chmodSync(path, mode);
  }

  #startEtcd(name) {
    const node = this.nodes[name];
    const log = join(this.directory, `${name}-etcd.log`);
    const options = { log, env: node.etcdEnv, user: processes.serverUser };
    node.etcd = processes.start(['etcd'], options);
  }

  startAgent(name) {
    const node = this.nodes[name];
    const log = join(this.directory, `${name}-patroni.log`);
    node.agent = processes.start(['patroni', node.config], { log, user: processes.serverUser });
  }

  async #etcdHealthy() {
    const healthy = async (node) => {
      const { health } = await getJson(`http://127.0.0.1:${node.etcdPort}/health`);
      return health === 'true';
    };
    return (await Promise.all(Object.values(this.nodes).map(healthy))).every(Boolean);
  }

  // --- what is, and what happens ---------------------------------------------------------------

  /// Members as Patroni lists them: [{ name, role, state, timeline, lag }].
  async members() {
    const asked = Object.values(this.nodes).map(async (node) => {
      const { members } = await getJson(`http://127.0.0.1:${node.restPort}/cluster`);
      return members;
    });
    return Promise.any(asked);
  }

  /// The member that Patroni calls leader and that takes writes.
  leader(patienceMs = startPatienceMs) {
    return until(
      'a leader that takes writes',
      async () => {
        const leader = (await this.members()).find(({ role }) => role === 'leader');
        const { restPort } = this.nodes[leader.name];
        return (await get(`http://127.0.0.1:${restPort}/primary`)).ok && leader;
      },
      patienceMs,
    );
  }

  /// Waits until there are a leader, a synchronous standby and another one, all on its timeline.
  async whole(patienceMs = startPatienceMs) {
    await until(
      'the cluster is whole',
      async () => {
        const members = await this.members();
        const { timeline } = members.find(({ role }) => role === 'leader');
        return (
          members.length === names.length &&
          members.every((m) => /^(running|streaming)$/.test(m.state) && m.timeline === timeline) &&
          members.some(({ role }) => role === 'sync_standby')
        );
      },
      patienceMs,
    );
    return this.leader(patienceMs);
  }

  /// Asks every node, all the time, whether it is the primary. The function that this answers with
  /// ends that and tells for how long, at most, none of them was: how long Patroni itself took.
  watchPrimary() {
    const seen = [Date.now()];
    let watching = true;
    const ask = async ({ restPort }) => {
      while (watching) {
        const answer = await get(`http://127.0.0.1:${restPort}/primary`).catch(() => null);
        if (answer?.ok) seen.push(Date.now());
        await pause(watchEveryMs);
      }
    };
    const asking = Object.values(this.nodes).map(ask);
    return async () => {
      watching = false;
      await Promise.all(asking);
      seen.sort((a, b) => a - b);
      return seen.slice(1).reduce((longest, at, i) => Math.max(longest, at - seen[i]), 0);
    };
  }

  /// kill -9 of its postmaster; its agent lives.
  killServer(name) {
    processes.signal(processes.postgresPids(this.nodes[name].data).slice(0, 1), 'SIGKILL');
  }

  /// kill -9 of all of it: agent, etcd, every process of PostgreSQL.
  killNode(name) {
    const { agent, etcd, data } = this.nodes[name];
    agent.kill('SIGKILL');
    etcd.kill('SIGKILL');
    processes.signal(processes.postgresPids(data), 'SIGKILL');
  }

  async stopEtcd() {
    for (const { etcd } of Object.values(this.nodes)) await processes.stop(etcd, 'SIGKILL');
  }
  startEtcd() {
    for (const name of names) this.#startEtcd(name);
  }

  startNode(name) {
    this.#startEtcd(name);
    this.startAgent(name);
  }

  /// Every process of its PostgreSQL stands still; its agent lives.
  freeze(name) {
    const pids = processes.postgresPids(this.nodes[name].data);
    processes.signal(pids, 'SIGSTOP');
    return pids;
  }
  thaw(pids) {
    processes.signal(pids, 'SIGCONT');
  }

  async switchover(from, to) {
    const { code, out, err } = await run('patronictl', [
      ...['-c', this.nodes[from].config, 'switchover', '--leader', from],
      ...['--candidate', to, '--force', 'holdfast'],
    ]);
    if (code !== 0 || !/Successfully switched over/.test(out)) throw new Error(`${out}${err}`);
  }

  /// Changes what the cluster has agreed on, as `patronictl edit-config` does.
  async agree(settings) {
    const { name } = await this.leader();
    const password = Buffer.from(`holdfast:${this.passwords.PATRONI}`).toString('base64');
    const response = await fetch(`http://127.0.0.1:${this.nodes[name].restPort}/config`, {
      method: 'PATCH',
      body: JSON.stringify(settings),
      headers: { Authorization: `Basic ${password}` },
    });
    if (!response.ok) throw new Error(`patroni: ${response.status} ${await response.text()}`);
  }

  /// A URL of all nodes, or of one.
  url(role, node) {
    const chosen = node ? [this.nodes[node]] : Object.values(this.nodes);
    const hosts = chosen.map(({ port }) => `127.0.0.1:${port}`).join(',');
    return `postgresql://${role}@${hosts}/holdfast?passfile=${this.passfile}`;
  }

  /// Runs SQL on one node as superuser; an Error unless it was done within a second or two.
  async sql(node, statement) {
    const limits = 'connect_timeout=2&options=-c%20statement_timeout%3D2s';
    const url = `${this.url('postgres', node)}&${limits}`;
    const quiet = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', url];
    const { code, out, err } = await run('timeout', ['4', 'psql', ...quiet, '-c', statement]);
    if (code !== 0) throw new Error(`psql on ${node}: ${err}`);
    return out.trimEnd();
  }

  log(name) {
    return join(this.directory, `${name}-patroni.log`);
  }

  async end() {
    process.off('exit', this.onExit);
    for (const { agent, etcd } of Object.values(this.nodes ?? {})) {
      if (agent) await processes.stop(agent, 'SIGKILL');
      if (etcd) await processes.stop(etcd, 'SIGKILL');
    }
    this.#endNow();
  }

  #endNow() {
    const nodes = Object.values(this.nodes ?? {});
    for (const child of nodes.flatMap(({ agent, etcd }) => [agent, etcd])) child?.kill('SIGKILL');
    for (const { data } of nodes) {
      let left;
      while ((left = processes.postgresPids(data)).length) processes.signal(left, 'SIGKILL');
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function ownerIds() {
  if (!processes.serverUser) return null;
  const ids = ['-u', '-g'].map((flag) => run('id', [flag, processes.serverUser]));
  return (await Promise.all(ids)).map(({ out }) => Number(out));
}

const lines = (values) =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');

function replaced(text, pattern, by) {
  if (!pattern.test(text)) throw new Error(`the template has no ${pattern}`);
  return text.replace(pattern, by);
}

const get = (url) => fetch(url, { signal: AbortSignal.timeout(answerPatienceMs) });

async function getJson(url) {
  const response = await get(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.json();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const cluster = await PatroniCluster.start();
  const nodes = Object.values(cluster.nodes).map(({ name, port, restPort, data, config }) => ({
    ...{ name, port, restPort, data, config },
    agent_pid: cluster.nodes[name].agent.pid,
  }));
  const urls = { app_url: cluster.url('holdfast_app'), deploy_url: cluster.url('holdfast_deploy') };
  writeFileSync(process.argv[2], `${JSON.stringify({ ...urls, nodes })}\n`, { mode: 0o600 });
}

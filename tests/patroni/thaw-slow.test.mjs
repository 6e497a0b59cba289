// A primary that freezes for longer than ttl and thaws, while others write to the one that took
// over. With `etcd3:` Patroni 3.0.2 gives the leadership back to it, and what was acknowledged in
// between is gone: that danger is shown to be real. With our configuration nothing is lost.
//
// Written with SQL on the primary that Patroni names, so that nothing of ours helps.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { PatroniCluster } from '../support/patroni.mjs';
import { holdfast } from '../support/platform.mjs';
import { until } from '../support/processes.mjs';

const writeMs = 3_000; // on the new primary, before the old one thaws
const settleMs = 15_000; // writing goes on while they sort it out
const tries = 3;

/// Writes rows one by one to whoever is the leader now; keeps what was acknowledged.
class Writer {
  constructor(cluster) {
    Object.assign(this, { cluster, acknowledged: [], next: 1, stopping: false });
    this.running = this.#run();
  }

  async #run() {
    while (!this.stopping) {
      const row = this.next++;
      try {
        const { name } = await this.cluster.leader(1_000);
        await this.cluster.sql(name, `INSERT INTO written VALUES (${row})`);
        this.acknowledged.push(row);
      } catch {
        await pause(50); // not acknowledged
      }
    }
  }

  async stop() {
    this.stopping = true;
    await this.running;
  }
}

/// Freezes the primary, writes to the next one, thaws. How many acknowledged rows are missing.
async function freezeAndThaw(cluster) {
  const { name: old, timeline } = await cluster.whole();
  const table = 'DROP TABLE IF EXISTS written; CREATE TABLE written (row int PRIMARY KEY)';
  await until('there is a table', async () => (await cluster.sql(old, table)) === '');
  const writer = new Writer(cluster);
  try {
    await until('rows are written', () => writer.acknowledged.length > 3);
    const frozen = cluster.freeze(old);
    const taken = await until('another primary', async () => {
      const leader = await cluster.leader();
      return leader.timeline > timeline && leader;
    });
    await pause(writeMs);
    const before = writer.acknowledged.length;
    cluster.thaw(frozen);
    await pause(settleMs);
    await writer.stop();
    const { name } = await cluster.leader();
    const rows = await until('rows are read', () => cluster.sql(name, 'SELECT row FROM written'));
    const there = new Set(rows.split('\n').map(Number));
    const lost = writer.acknowledged.filter((row) => !there.has(row));
    console.log(
      `# ${old} froze, ${taken.name} took over, ${old} thawed, ${name} leads: ` +
        `${writer.acknowledged.length} rows acknowledged, ${before} of them before the thaw, ` +
        `${lost.length} lost`,
    );
    return lost.length;
  } finally {
    await writer.stop();
  }
}

test('with etcd3 this version of Patroni loses acknowledged commits', async () => {
  const cluster = await PatroniCluster.start({ etcd3: true });
  try {
    let lost = 0;
    for (let i = 0; i < tries && lost === 0; ++i) lost = await freezeAndThaw(cluster);
    const { code, out } = await holdfast(
      ...['doctor', '--json', '--database-url', cluster.url('holdfast_app')],
      ...['--patroni', cluster.nodes.db1.config],
    );
    assert.equal(code, 1);
    const { findings } = JSON.parse(out);
    const refused = findings.find(({ rule }) => rule === 'patroni_etcd3_split_brain');
    assert.equal(refused?.severity, 'fail');
    assert.ok(lost > 0, 'the danger that doctor refuses is not there: is this Patroni 3.0.3?');
  } finally {
    await cluster.end();
  }
});

test('with our configuration none are lost', async () => {
  const cluster = await PatroniCluster.start();
  try {
    for (let i = 0; i < tries; ++i) assert.equal(await freezeAndThaw(cluster), 0);
    await cluster.whole();
  } finally {
    await cluster.end();
  }
});

// What networks and broken machines do to the connections between `serve` and PostgreSQL, one thing
// after the other under load. Whatever it is: nobody sees an error, payments go on by themselves,
// and afterwards the witnesses agree.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import * as gate from '../support/fault_gate.mjs';
import { GatedPlatform } from '../support/gated.mjs';
import { damagedMessages } from '../support/damage.mjs';
import { until } from '../support/processes.mjs';

let gated;
before(async () => {
  gated = await GatedPlatform.beforeDatabase();
});
after(() => gated?.end());

const timeout = 120_000;
/// 2 s until the silence counts, 2 s for another connection; a request may take 30 s.
const readMaxMs = 8_000 + 2_000 * Number(process.env.TEST_SLOWDOWN ?? 3);
const suffer = (name, fault) => test(name, { timeout }, () => gated.suffer(fault));

suffer('nobody accepts', gate.noAccept());
suffer('everything is late', gate.delay(50));
suffer('the line is thin', gate.bandwidth(8_000));
suffer('bytes come one by one', gate.slice(3));
suffer('answers are cut in the middle of a message', gate.cut({ afterBytes: 900, how: 'RST' }));
suffer('answers are damaged', gate.corrupt('messages', damagedMessages(1)));
suffer('everything vanishes', gate.halfOpen('up', 'down'));

test('a read does not wait for a database that says nothing', { timeout }, async () => {
  const { gate: line, platform } = gated;
  await line.set(gate.halfOpen('up', 'down'));
  const began = Date.now();
  const { status, headers } = await platform.raw('GET', '/v1/charges?limit=1');
  const ms = Date.now() - began;
  const { hits } = line;
  await line.heal();
  assert.ok(hits > 0, 'invalid: nothing was hit');
  assert.equal(status, 503);
  assert.equal(headers.get('stripe-should-retry'), 'true');
  assert.ok(ms < readMaxMs, `it took ${ms} ms`);
  const shown = async () => (await platform.raw('GET', '/v1/charges?limit=1')).status === 200;
  await until('it recovers by itself', shown);
  console.log(`# given up after ${ms} ms`);
});

test('nothing is lost or doubled', { timeout }, () => gated.settle());

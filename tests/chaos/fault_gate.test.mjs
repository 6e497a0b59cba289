// The fault gate itself, before a server that says back what it hears: each fault does what its
// name says and counts it, and is over when it is healed.

import { test, before, after, beforeEach, afterEach } from 'node:test';
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import * as faults from '../support/fault_gate.mjs';

const patienceMs = 10_000;
const silenceMs = 300; // so long nothing comes that is not to come
const timeout = 60_000;

let echo;
let gate;
const sockets = new Set(); // of both ends: what a fault leaves open must not keep the test alive
before(async () => {
  echo = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
});
after(() => echo.close());
beforeEach(async () => {
  gate = await faults.FaultGate.before({ host: '127.0.0.1', port: echo.address().port });
});
afterEach(async () => {
  await gate.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
});

/// A client: what it has heard, and how it ended.
function client() {
  const socket = connect({ host: '127.0.0.1', port: gate.port });
  const here = { socket, heard: '', pieces: 0, ended: null };
  sockets.add(socket);
  socket.on('data', (bytes) => ((here.heard += bytes.toString('latin1')), ++here.pieces));
  socket.on('end', () => (here.ended ??= 'FIN'));
  socket.on('error', ({ code }) => (here.ended ??= code));
  here.until = async (condition) => {
    for (const end = Date.now() + patienceMs; !condition(here); await pause(5))
      assert.ok(Date.now() < end, `heard ${here.heard.length} bytes, ended ${here.ended}`);
  };
  here.hears = (text) => here.until(() => here.heard === text);
  return here;
}

async function open(text = 'hello') {
  const here = client();
  here.socket.write(text);
  await here.hears(text);
  return here;
}

/// Where a new client is served, whatever was before.
async function heals() {
  await gate.heal();
  (await open()).socket.destroy();
}

test('passes everything, ends included', { timeout }, async () => {
  const here = await open('a'.repeat(300_000));
  here.socket.end();
  await here.until(({ ended }) => ended === 'FIN');
  assert.equal(gate.hits, 0);
});

test('refuses', { timeout }, async () => {
  const before = await open();
  await gate.set(faults.refuse());
  await before.until(({ ended }) => ended === 'ECONNRESET');
  await client().until(({ ended }) => ended === 'ECONNREFUSED');
  assert.ok(gate.hits > 0);
  await heals();
});

test('accepts nobody', { timeout }, async () => {
  const before = await open();
  await gate.set(faults.noAccept());
  await before.until(({ ended }) => ended === 'ECONNRESET');
  const late = client();
  await pause(silenceMs);
  assert.ok(late.socket.connecting, 'its SYN is dropped');
  assert.ok(gate.hits > 0);
  await heals();
  late.socket.destroy();
});

test('delays', { timeout }, async () => {
  const here = await open();
  await gate.set(faults.delay(200));
  const began = Date.now();
  here.socket.write('!');
  await here.hears('hello!');
  assert.ok(Date.now() - began >= 2 * 200 - 1, 'there and back');
  assert.equal(gate.hits, 2);
  await heals();
});

test('is a thin line', { timeout }, async () => {
  await gate.set(faults.bandwidth(10_000));
  const began = Date.now();
  await open('a'.repeat(5_000));
  assert.ok(Date.now() - began >= 400);
  assert.ok(gate.hits > 0);
  const here = client();
  here.socket.write('b'.repeat(1_000_000));
  await pause(silenceMs);
  await gate.heal();
  await here.hears('b'.repeat(1_000_000));
});

test('slices', { timeout }, async () => {
  await gate.set(faults.slice(3));
  const here = await open('a'.repeat(3_000));
  assert.ok(gate.hits > 1_000);
  assert.ok(here.pieces > 1);
  await heals();
});

// Node takes an RST for the end when it comes together with bytes.
for (const [how, afterBytes, seen] of [
  ['RST', 5, 'ECONNRESET'],
  ['FIN', 7, 'FIN'],
])
  test(`cuts by ${how}`, { timeout }, async () => {
    await gate.set(faults.cut({ afterBytes, how }));
    const here = await open();
    here.socket.write('again');
    await here.until(({ ended }) => ended === seen);
    assert.equal(here.heard, 'helloagain'.slice(0, afterBytes));
    assert.equal(gate.hits, 1);
    await heals();
  });

test('damages answers only', { timeout }, async () => {
  const damage = (bytes) => ++bytes[0];
  await gate.set(faults.corrupt('first byte', damage));
  const here = client();
  here.socket.write('hello');
  await here.hears('iello');
  assert.equal(gate.hits, 1);
  await heals();
});

for (const ways of [['up'], ['down'], ['up', 'down']])
  test(`loses what goes ${ways.join(' and ')}`, { timeout }, async () => {
    const here = await open();
    await gate.set(faults.halfOpen(...ways));
    here.socket.write('!');
    await pause(silenceMs);
    assert.ok(gate.hits > 0);
    await heals();
    here.socket.write('?');
    await pause(silenceMs);
    assert.deepEqual([here.heard, here.ended], ['hello', null], 'it is dead and does not say so');
    here.socket.end();
    await here.until(({ ended }) => ended === 'FIN');
  });

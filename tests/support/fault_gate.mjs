// A fault gate: stands between a server and those who connect to it, and does to them what networks
// and broken machines do. Which fault is on can change at any time, also while connections are
// open; what it has hit is counted, so that a test can show that its fault took effect.
//
//   const gate = await FaultGate.before({ host: '127.0.0.1', port: 4100 }); // or { path: socket }
//   connect to 127.0.0.1:gate.port
//   await gate.set(delay(300));
//   ...
//   assert.ok(gate.hits > 0);
//   await gate.heal();
//   await gate.close();
//
// 'up' is the way of requests, 'down' that of answers. Connections of TCP are ended by RST, as by a
// machine that was restarted, unless the fault says otherwise. One that has lost bytes to
// halfOpen() stays dead after heal(): it takes what comes and never says a word, until the client
// ends it.

import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

const address = '127.0.0.1';
const sampleMs = 20;

// --- faults --------------------------------------------------------------------------------------

// A fault: what becomes of a piece on its way, and of the door. `carry` is called for each piece,
// one after the other for each way of a connection; `pass` hands bytes on.

const pass = { name: 'pass', carry: (bytes, { pass }) => pass(bytes) };

/// The machine is there and nobody listens. Open connections are ended.
export const refuse = () => ({ ...pass, name: 'refuse', door: 'shut' });

/// The queue of connections is full and nobody takes one: the kernel drops every SYN. Open
/// connections are ended.
export const noAccept = () => ({ ...pass, name: 'no accept', door: 'deaf' });

/// Every piece arrives later, each way.
export const delay = (ms) => ({
  name: `delay ${ms} ms`,
  carry: async (bytes, { pass, hit }) => {
    hit();
    await pause(ms);
    await pass(bytes);
  },
});

/// Each way of a connection is a thin line.
export const bandwidth = (bytesPerSecond) => ({
  name: `${bytesPerSecond} bytes/s`,
  carry: async (bytes, { pass, hit, over }) => {
    const ticksPerSecond = 20;
    const most = Math.ceil(bytesPerSecond / ticksPerSecond);
    for (let at = 0; at < bytes.length; ) {
      const end = over() ? bytes.length : at + most;
      await pass(bytes.subarray(at, end));
      at = end;
      if (at < bytes.length) hit();
      await pause(1000 / ticksPerSecond);
    }
  },
});

/// Pieces of 1 to `most` bytes, each in a packet of its own.
export const slice = (most, random = Math.random) => ({
  name: `slices of ${most}`,
  carry: async (bytes, { pass, hit, over }) => {
    for (let at = 0; at < bytes.length; ) {
      const end = over() ? bytes.length : at + 1 + Math.floor(random() * most);
      await pass(bytes.subarray(at, end));
      at = end;
      if (at < bytes.length) hit();
      await nextTurn(); // for those who read in this process
    }
  },
});

/// Answers break off after so many bytes of each connection, in the middle of what was sent.
export const cut = ({ afterBytes, how }) => {
  const left = new WeakMap();
  return {
    name: `cut after ${afterBytes} bytes by ${how}`,
    carry: async (bytes, { way, link, pass, hit }) => {
      const room = left.get(link) ?? afterBytes;
      if (way === 'up' || bytes.length <= room) {
        if (way === 'down') left.set(link, room - bytes.length);
        return pass(bytes);
      }
      await pass(bytes.subarray(0, room));
      hit();
      link.break(how);
    },
  };
};

/// Answers arrive with a byte changed. `damage(bytes)` changes one in a copy, or answers false.
export const corrupt = (what, damage) => ({
  name: `corrupted ${what}`,
  carry: (bytes, { way, pass, hit }) => {
    const copy = Buffer.from(bytes);
    if (way === 'down' && damage(copy)) hit();
    return pass(copy);
  },
});

/// What goes these ways vanishes, the end of a connection too. The kernel acknowledges it all.
export const halfOpen = (...gone) => ({
  name: `half-open (${gone.join(' and ')})`,
  carry: (bytes, { way, link, pass, hit }) => {
    if (!gone.includes(way)) return pass(bytes);
    hit();
    link.lost.add(way);
  },
  swallowsEnd: (way) => gone.includes(way),
});

// --- the gate ------------------------------------------------------------------------------------

/// One connection through the gate.
class Link {
  constructor(gate, client) {
    this.gate = gate;
    this.client = client.setNoDelay();
    this.server = connect({ ...gate.target, allowHalfOpen: true, noDelay: true });
    this.lost = new Set(); // ways that have lost bytes
    this.#lead('up', this.client, this.server);
    this.#lead('down', this.server, this.client);
  }

  #lead(way, from, to) {
    const pass = (bytes) => new Promise((done) => to.write(bytes, done));
    from.on('data', async (bytes) => {
      from.pause();
      const { fault } = this.gate;
      const hit = () => ++this.gate.hits;
      const over = () => this.gate.fault !== fault;
      if (!this.lost.has(way)) await fault.carry(bytes, { way, link: this, pass, hit, over });
      from.resume();
    });
    from.on('end', () => {
      if (!this.#silent(way)) to.end();
      if (!this.gate.fault.swallowsEnd) this.bury();
    });
    from.on('error', () => this.#silent(way) || end(to));
    from.on('close', () => this.#forgetWhenClosed());
  }

  #silent(way) {
    return this.lost.has(way) || this.gate.fault.swallowsEnd?.(way);
  }

  #forgetWhenClosed() {
    if (this.client.destroyed && this.server.destroyed) this.gate.links.delete(this);
  }

  /// `how` the client sees it: 'RST' or 'FIN'.
  break(how) {
    if (how === 'FIN') this.client.end();
    else end(this.client);
    end(this.server);
  }

  /// Ends it, if it is dead and the client has ended it.
  bury() {
    const left = this.client.destroyed || this.client.readableEnded;
    if (this.lost.size > 0 && left) this.break('FIN');
  }
}

/// By RST, where the socket knows that. resetAndDestroy() would send FIN before it; where one was
/// sent there is no RST any more, and the handle of who tries would stay open.
function end(socket) {
  const open = !socket.connecting && !socket.writableEnded;
  socket.resetAndClosing = open && Boolean(socket.remotePort);
  socket.destroy();
}

export class FaultGate {
  /// `target`: where the server is, as net.connect() takes it.
  static async before(target) {
    const gate = new FaultGate();
    gate.target = target;
    gate.links = new Set();
    gate.fault = pass;
    gate.hits = 0; // of the fault that is on, or was last
    await gate.#open(0);
    gate.port = gate.server.address().port;
    return gate;
  }

  async #open(port) {
    this.server = createServer({ allowHalfOpen: true }, (client) =>
      this.links.add(new Link(this, client)),
    );
    this.server.listen(port, address);
    await once(this.server, 'listening');
  }

  /// Puts a fault on, in place of the one before.
  async set(fault) {
    await this.heal();
    this.hits = 0;
    this.fault = fault;
    if (!fault.door) return;
    this.server.close();
    this.server = null;
    if (fault.door === 'deaf') this.deaf = await DeafDoor.at(this.port, () => ++this.hits);
    else if (await answers(this.port)) throw new Error('the port of the gate is not shut');
    for (const link of this.links) {
      if (fault.door === 'shut') ++this.hits;
      link.break('RST');
    }
  }

  async heal() {
    this.fault = pass;
    await this.deaf?.open();
    this.deaf = null;
    if (!this.server) await this.#open(this.port);
    for (const link of this.links) link.bury();
  }

  async close() {
    await this.deaf?.open();
    this.server?.close();
    for (const link of this.links) link.break('RST');
  }
}

/// Whether a connection is taken there; a refusal is an answer of no.
async function answers(port) {
  const socket = connect({ host: address, port });
  const taken = await once(socket, 'connect').then(() => true, () => false);
  socket.destroy();
  return taken;
}

/// Listens and takes nobody: its thread sleeps. What the kernel would still queue is filled up.
class DeafDoor {
  static async at(port, hit) {
    const door = new DeafDoor();
    door.wake = new Int32Array(new SharedArrayBuffer(4));
    door.thread = new Worker(
      `const { parentPort, workerData: { port, address, wake } } = require('node:worker_threads');
       const server = require('node:net').createServer((client) => client.destroy());
       server.listen({ port, host: address, backlog: 1 }, () => {
         parentPort.postMessage('listening');
         Atomics.wait(wake, 0, 0);
         server.close();
       });`,
      { eval: true, workerData: { port, address, wake: door.wake } },
    );
    await once(door.thread, 'message');
    door.fillers = [];
    for (let taken = true; taken; ) taken = await door.#fill(port);
    door.timer = setInterval(() => knocking(port) > 0 && hit(), sampleMs);
    return door;
  }

  /// One more connection in the queue; false: there is no room any more.
  async #fill(port) {
    const patienceMs = 100;
    const filler = connect({ host: address, port }).on('error', () => {});
    const opened = once(filler, 'connect').then(() => true, () => false);
    const taken = await Promise.race([opened, pause(patienceMs, false)]);
    if (taken) this.fillers.push(filler);
    else filler.destroy();
    return taken;
  }

  async open() {
    clearInterval(this.timer);
    for (const filler of this.fillers) filler.destroy();
    const gone = once(this.thread, 'exit');
    Atomics.store(this.wake, 0, 1);
    Atomics.notify(this.wake, 0);
    await gone;
  }
}

/// How many wait for an answer to their SYN.
function knocking(port) {
  const synSent = '02';
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1);
  return rows.filter((row) => {
    const [, , remote, state] = row.trim().split(/\s+/);
    return state === synSent && remote.endsWith(suffix);
  }).length;
}

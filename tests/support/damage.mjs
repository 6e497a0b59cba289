// What changes a byte of an answer, for corrupt() of fault_gate.mjs. A seed chooses which.

import { seeded } from './load.mjs';

// A message of PostgreSQL (protocol 3.0): a type of one byte, a length of four, itself included,
// then the content. These are the types that servers send, but for COPY.
const types = '123ACDEIKNRSTVZnst';
const header = 5;

/// Where messages begin; none when this is not the beginning of one (TLS, for instance).
function messages(bytes) {
  const found = [];
  let at = 0;
  while (at + header <= bytes.length && types.includes(String.fromCharCode(bytes[at]))) {
    found.push(at);
    at += 1 + bytes.readInt32BE(at + 1);
  }
  return at === bytes.length ? found : [];
}

function flipBit(bytes, at, random) {
  bytes[at] ^= 1 << Math.floor(random() * 8);
}

/// In one of four pieces, a bit of what a reader goes by: of a message's type, of its length, or of
/// the word by which COMMIT is confirmed.
export function damagedMessages(seed) {
  const random = seeded(seed);
  return (bytes) => {
    const found = messages(bytes);
    if (found.length === 0 || random() > 0.25) return false;
    const word = bytes.indexOf('COMMIT\0');
    const message = found[Math.floor(random() * found.length)];
    const at = word >= 0 && random() < 0.5 ? word : message;
    flipBit(bytes, at + Math.floor(random() * header), random);
    return true;
  };
}

/// Any bit of one of `every` pieces.
export function damagedAnywhere(seed, every = 4) {
  const random = seeded(seed);
  return (bytes) => {
    if (random() > 1 / every) return false;
    flipBit(bytes, Math.floor(random() * bytes.length), random);
    return true;
  };
}

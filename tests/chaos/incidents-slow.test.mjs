// The outages of others, as permanent regressions: each incidents/*/*.json says what a drill must
// show, and that without protection the same fault is an outage.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { drill } from '../support/drills.mjs';

const drillMaxMs = 900_000;
const rate = process.env.TEST_DRILL_RATE ?? '20'; // sanitizers

const expectations = readdirSync('incidents', { recursive: true })
  .filter((file) => file.endsWith('.json'))
  .map((file) => JSON.parse(readFileSync(`incidents/${file}`, 'utf8')));
assert.ok(expectations.length > 0);

function compare(result, expected) {
  for (const [key, value] of Object.entries(expected))
    assert.equal(result[key], value, `${key}\n${result.said}`);
}

for (const { drill: name, expect, unprotected } of expectations) {
  test(name, { timeout: drillMaxMs }, async () =>
    compare(await drill(name, '--rate', rate), expect));
  test(`${name}, unprotected`, { timeout: drillMaxMs }, async () =>
    compare(await drill(name, '--rate', rate, '--unprotected'), unprotected));
}

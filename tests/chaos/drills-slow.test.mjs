// Every drill that no incident stands behind: valid, no money lost or taken twice, well again by
// itself. What of it has to be without any failure is in the drill's own expectation.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { holdfast } from '../support/platform.mjs';
import { drill } from '../support/drills.mjs';

const drillMaxMs = 1_200_000;
const rate = process.env.TEST_DRILL_RATE ?? '20'; // sanitizers

const withoutFailure = ['connection-flood', 'disk-full'];

const { out } = await holdfast('drill', 'list', '--json');
const names = JSON.parse(out)
  .map(({ name }) => name)
  .filter((name) => !/^\d{3}-/.test(name));

for (const name of names)
  test(name, { timeout: drillMaxMs }, async () => {
    const result = await drill(name, '--rate', rate);
    assert.equal(result.valid, true, result.said);
    for (const key of ['lost', 'doubled', 'orphan_holds', 'event_missing'])
      assert.equal(result[key], 0, `${key}\n${result.said}`);
    assert.ok(result.ledger_balanced && result.books_agree, result.said);
    if (withoutFailure.includes(name)) assert.equal(result.failed, 0, result.said);
    if (name === 'log-disk-full') assert.equal(result.verdict, 'passed', result.said);
    assert.notEqual(result.recovered_after_ms, null, 'it recovers by itself');
  });

// What networks and broken machines do to the connections between `serve` and the acquirer, one
// thing after the other under load. Whatever it is: nobody sees an error, an approval is one that
// the acquirer gave, payments go on by themselves, and afterwards the witnesses agree.

import { test, before, after } from 'node:test';
import * as gate from '../support/fault_gate.mjs';
import { GatedPlatform } from '../support/gated.mjs';
import { damagedAnywhere } from '../support/damage.mjs';

let gated;
before(async () => {
  // Shorter than by default, so that the tests are.
  gated = await GatedPlatform.beforeAcquirer('--acquirer-timeout', '2');
});
after(() => gated?.end());

const timeout = 120_000;
const suffer = (name, fault) => test(name, { timeout }, () => gated.suffer(fault));

suffer('nobody accepts', gate.noAccept());
suffer('everything is late', gate.delay(200));
suffer('the line is thin', gate.bandwidth(2_000));
suffer('bytes come one by one', gate.slice(3));
suffer('answers are cut in the middle of a message', gate.cut({ afterBytes: 100, how: 'RST' }));
suffer('answers are damaged', gate.corrupt('answers', damagedAnywhere(1, 2)));
suffer('everything vanishes', gate.halfOpen('up', 'down'));

test('nothing is lost or doubled', { timeout }, () => gated.settle());

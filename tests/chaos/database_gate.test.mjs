// What networks and broken machines do to the connections between `serve` and PostgreSQL, one thing
// after the other under load. Whatever it is: nobody sees an error, payments go on by themselves,
// and afterwards the witnesses agree.

import { test, before, after } from 'node:test';
import * as gate from '../support/fault_gate.mjs';
import { GatedPlatform } from '../support/gated.mjs';
import { damagedMessages } from '../support/damage.mjs';

let gated;
before(async () => {
  gated = await GatedPlatform.beforeDatabase();
});
after(() => gated?.end());

const timeout = 120_000;
const suffer = (name, fault) => test(name, { timeout }, () => gated.suffer(fault));

suffer('nobody accepts', gate.noAccept());
suffer('everything is late', gate.delay(50));
suffer('the line is thin', gate.bandwidth(8_000));
suffer('bytes come one by one', gate.slice(3));
suffer('answers are cut in the middle of a message', gate.cut({ afterBytes: 900, how: 'RST' }));
suffer('answers are damaged', gate.corrupt('messages', damagedMessages(1)));
suffer('everything vanishes', gate.halfOpen('up', 'down'));

test('nothing is lost or doubled', { timeout }, () => gated.settle());

// The gates' longer variants: faults that last longer, in more ways, and TLS, under which no byte
// that PostgreSQL sends can be changed unnoticed.

import { test } from 'node:test';
import * as gate from '../support/fault_gate.mjs';
import { GatedPlatform } from '../support/gated.mjs';
import { damagedAnywhere, damagedMessages } from '../support/damage.mjs';

const timeout = 900_000;
const lasts = 5_000;

function suffers(name, open, faults) {
  test(name, { timeout }, async (t) => {
    const gated = await open();
    try {
      for (const fault of faults) await t.test(fault.name, () => gated.suffer(fault, { lasts }));
      await gated.settle();
    } finally {
      await gated.end();
    }
  });
}

const anyServer = [
  gate.refuse(),
  gate.noAccept(),
  gate.delay(300),
  gate.bandwidth(4_000),
  gate.slice(1),
  gate.cut({ afterBytes: 150, how: 'RST' }),
  gate.cut({ afterBytes: 150, how: 'FIN' }),
  gate.cut({ afterBytes: 2_000, how: 'FIN' }),
  gate.halfOpen('up'),
  gate.halfOpen('down'),
  gate.halfOpen('up', 'down'),
];

const beforeDatabase = () => GatedPlatform.beforeDatabase();
suffers('before the database', beforeDatabase, [
  ...anyServer,
  gate.corrupt('messages', damagedMessages(10)),
  gate.corrupt('messages, others', damagedMessages(11)),
]);

const withTls = () => GatedPlatform.beforeDatabase({ tls: true });
suffers('before the database, through TLS', withTls, [
  gate.corrupt('bytes', damagedAnywhere(12, 8)),
  gate.cut({ afterBytes: 5_000, how: 'RST' }),
]);

suffers('before the acquirer', () => GatedPlatform.beforeAcquirer(), [
  ...anyServer,
  gate.corrupt('answers', damagedAnywhere(13, 1)),
  gate.corrupt('some answers', damagedAnywhere(14, 3)),
]);

// kill -9 of anything, at any time, under load: no payment lost, none charged twice, the ledger
// balanced, unknown outcomes resolved, and everything works again by itself.
//
// Witnesses: what the clients were told, our ledger (holdfast check ledger), the acquirer's books.
// The seed is printed; SEED=n repeats the choices (not the timing).

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Platform } from '../support/platform.mjs';
import { openShop, seeded, setAcquirerFaults } from '../support/load.mjs';
import { readyAgain, settle } from '../support/witnesses.mjs';

const slow = process.env.TEST_SLOW === '1';
const kills = Number(process.env.TEST_KILLS ?? (slow ? 200 : 20));
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
test(`${kills} kills under load, seed ${seed}`, { timeout: 3_000_000 }, async () => {
  const random = seeded(seed);
  const platform = await Platform.start({ instances: 2 });
  const killed = {};
  try {
    await setAcquirerFaults(platform.ready, {
      seed,
      modes: {
        lose_answer: { probability: 0.01 },
        delay: { probability: 0.05, delay_ms: 5, delay_max_ms: 200 },
      },
    });
    const shop = openShop(platform, { random });
    for (let i = 0; i < kills; ++i) {
      await pause(300 + random() * 900);
      const services = platform.services();
      const choice = Math.floor(random() * (services.length + 1));
      if (choice === services.length) {
        killed.supervisor = (killed.supervisor ?? 0) + 1;
        await platform.killSupervisor();
        await platform.launch();
      } else {
        const { name, pid } = services[choice];
        killed[name] = (killed[name] ?? 0) + 1;
        try {
          process.kill(pid, 'SIGKILL');
        } catch (error) {
          if (error.code !== 'ESRCH') throw error; // ended by an earlier kill
        }
      }
      await readyAgain(platform);
    }
    await pause(1000);
    const { succeeded, report } = await settle(platform, shop);
    console.log(
      `# ${shop.purchases.size} purchases, ${succeeded} paid, ` +
        `${report.checked.operations} operations; ` +
        `killed ${JSON.stringify(killed)}`,
    );
    assert.ok(succeeded > kills, 'payments went on');
  } catch (error) {
    console.log(`# killed ${JSON.stringify(killed)}; repeat with SEED=${seed}`);
    throw error;
  } finally {
    await platform.end().catch((error) => console.log(`# ${error.message}`));
  }
});

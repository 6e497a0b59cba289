// kill -9 of anything, at any time, under load: no payment lost, none charged twice, the ledger
// balanced, unknown outcomes resolved, and everything works again by itself.
//
// Witnesses: what the clients were told, our ledger (holdfast check ledger), the acquirer's books.
// The seed is printed; SEED=n repeats the choices (not the timing).

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import Stripe from 'stripe';
import { Platform } from '../support/platform.mjs';
import { Shop, acquirerPurchases, seeded, setAcquirerFaults } from '../support/load.mjs';

const slow = process.env.TEST_SLOW === '1';
const kills = Number(process.env.TEST_KILLS ?? (slow ? 200 : 20));
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const resolvePatienceMs = 60_000;

async function readyAgain(platform) {
  const until = Date.now() + 60_000;
  while (Date.now() < until) {
    const answer = await platform.raw('GET', '/readyz', { key: null }).catch(() => null);
    if (answer?.status === 200) return;
    await pause(50);
  }
  throw new Error(`not ready again within a minute\n${platform.output}`);
}

async function ledgerIsClean(platform) {
  const until = Date.now() + resolvePatienceMs;
  for (;;) {
    const checked = await platform.command('check', 'ledger');
    if (checked.code === 0) return JSON.parse(checked.out);
    if (Date.now() > until) throw new Error(`the ledger differs: ${checked.out}${checked.err}`);
    await pause(1000);
  }
}

/// No payment is processing any more: every unknown outcome has been resolved.
async function allResolved(stripe, shop) {
  const until = Date.now() + resolvePatienceMs;
  const open = [...shop.purchases.values()].filter((p) => p.status === 'processing');
  for (const purchase of open) {
    for (;;) {
      const payment = await stripe.paymentIntents.retrieve(purchase.payment);
      purchase.status = payment.status;
      if (payment.status !== 'processing') break;
      assert.ok(Date.now() < until, `${purchase.payment} is still processing`);
      await pause(250);
    }
    if (purchase.status === 'requires_payment_method') purchase.declined = true;
  }
}

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
    const shop = new Shop({
      where: () => platform.ready.api_base,
      key: platform.ready.secret_key,
      random,
    });
    shop.start();
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
    await shop.stop();
    await setAcquirerFaults(platform.ready, { seed, modes: {} });
    const stripe = new Stripe(platform.ready.secret_key, platform.stripeOptions());
    await allResolved(stripe, shop);
    const report = await ledgerIsClean(platform);
    const booked = await acquirerPurchases(platform.ready);

    let succeeded = 0;
    for (const [id, purchase] of shop.purchases) {
      const charges = booked.get(id)?.charges ?? 0;
      assert.ok(!purchase.refused, `${id} was refused: ${JSON.stringify(purchase.refused)}`);
      assert.ok(charges <= 1, `${id} was charged ${charges} times`);
      assert.ok(!purchase.gaveUp, `${id} got no answer: ${purchase.answers}`);
      if (purchase.declined) {
        assert.equal(charges, 0, `${id} was declined and charged`);
      } else {
        ++succeeded;
        assert.equal(charges, 1, `${id} was acknowledged (${purchase.status}) and is lost`);
        assert.equal(booked.get(id).net, purchase.amount, `${id} was charged another amount`);
      }
    }
    for (const [id, entry] of booked)
      assert.ok(entry.charges <= 1, `${id}: ${entry.charges} charges`);
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

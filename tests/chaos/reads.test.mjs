// What is shown while no primary answers: what was acknowledged, by a standby, and soon; what it
// does not have is not said to be missing, and nothing is decided by what it says.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import Stripe from 'stripe';
import { Platform } from '../support/platform.mjs';
import { signal, until, withChildren } from '../support/processes.mjs';

const slowdown = Number(process.env.TEST_SLOWDOWN ?? 3); // sanitizers and a busy machine
const soonMs = 500 * slowdown;

/// The primary hangs, and nobody looks after it.
function freeze(platform) {
  const { primary } = platform.pair();
  const { pid } = platform.services().find(({ name }) => name === `postgres-${primary}`);
  const pids = [platform.child.pid, ...withChildren(pid)];
  signal(pids, 'SIGSTOP');
  return () => signal(pids.reverse(), 'SIGCONT');
}

async function timed(promise) {
  const began = Date.now();
  return { ...(await promise), ms: Date.now() - began };
}

async function shownBy(platform, source) {
  const page = await (await fetch(platform.ready.metrics_url)).text();
  const lines = page
    .split('\n')
    .filter((line) => line.startsWith('holdfast_store_reads_shown_total{'));
  return lines
    .filter((line) => line.includes(`source="${source}"`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

test('reads while the primary hangs', { timeout: 180_000 }, async () => {
  const platform = await Platform.start();
  let thaw = () => {};
  try {
    await until('in sync', () => platform.pair().promotable);
    const stripe = new Stripe(platform.ready.secret_key, platform.stripeOptions());
    const payment = await stripe.paymentIntents.create({
      amount: 4200,
      currency: 'usd',
      payment_method: 'pm_card_visa',
      confirm: true,
    });
    const charge = payment.latest_charge;
    const refund = await stripe.refunds.create({ payment_intent: payment.id, amount: 200 });
    const get = (path) => timed(platform.raw('GET', path));
    /// As a client does who is told to retry: a machine that is busy may miss the 200 ms.
    const getShown = async (path) => {
      let answer;
      await until(`${path} is shown`, async () => (answer = await get(path)).status === 200);
      return answer;
    };
    const before = await get(`/v1/charges/${charge}`);
    assert.equal(before.json.amount_refunded, 200);
    assert.equal(await shownBy(platform, 'standby'), 0);

    thaw = freeze(platform);
    const first = await getShown(`/v1/charges/${charge}`);
    assert.ok(first.ms < 10_000 * slowdown, `not its whole time: ${first.ms} ms`);
    assert.ok((await shownBy(platform, 'standby')) > 0);
    const shown = [
      [`/v1/charges/${charge}`, (json) => json.amount_refunded === 200],
      [`/v1/refunds/${refund.id}`, (json) => json.status === 'succeeded'],
      ['/v1/charges?limit=3', (json) => json.data[0].id === charge],
      ['/v1/balance', (json) => json.pending.length > 0],
    ];
    for (const [path, isRight] of shown) {
      const { json, ms } = await getShown(path);
      assert.ok(isRight(json), `${path}: ${JSON.stringify(json)}`);
      assert.ok(ms < soonMs, `${path} took ${ms} ms`);
    }
    const absent = await get('/v1/charges/ch_0000000000000000000001');
    assert.equal(absent.status, 503, 'it may be missing there');
    assert.equal(absent.headers.get('stripe-should-retry'), 'true');
    assert.ok(Number(absent.headers.get('retry-after')) > 0);
    console.log(`# the first after ${first.ms} ms, what is not there after ${absent.ms} ms`);

    thaw();
    thaw = () => {};
    await until('paid', async () => {
      const answer = await platform.raw('POST', '/v1/refunds', {
        body: `payment_intent=${payment.id}&amount=300`,
        headers: { 'idempotency-key': 'afterwards' },
      });
      return answer.status === 200;
    });
    const { json } = await getShown(`/v1/charges/${charge}`);
    assert.equal(json.amount_refunded, 500, 'never what is older');
    const count = await shownBy(platform, 'primary');
    await until('shown by the primary again', async () => {
      await get(`/v1/charges/${charge}`);
      return (await shownBy(platform, 'primary')) > count;
    });
  } finally {
    thaw();
    await platform.end();
  }
});

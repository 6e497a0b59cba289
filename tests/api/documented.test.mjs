// What the documents say holds: README's examples as they are pasted, the curl line that `up`
// prints, the list of metrics.

import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Platform, run } from '../support/platform.mjs';

let platform;

before(async () => {
  platform = await Platform.start({ instances: 2 }); // some metrics are about one's peers
});
after(() => platform.end());

/// The indented blocks of a Markdown text.
function codeBlocks(markdown) {
  const blocks = markdown.match(/(?:^ {4}.*\n(?:\n(?= {4}))*)+/gm) ?? [];
  return blocks.map((block) => block.replace(/^ {4}/gm, '').trim());
}

/// An example of README, with the key and the port that `up` printed in the places of its own.
function example(start) {
  const found = codeBlocks(readFileSync('README.md', 'utf8')).filter((b) => b.startsWith(start));
  assert.equal(found.length, 1, `README has one example that starts with ${start}`);
  for (const placeholder of ['sk_test_...', '8420']) assert.ok(found[0].includes(placeholder));
  return found[0]
    .replaceAll('sk_test_...', platform.ready.secret_key)
    .replaceAll('8420', new URL(platform.ready.api_base).port);
}

async function paste(command) {
  const { code, out, err } = await run('bash', ['-c', command]);
  assert.equal(code, 0, err);
  return out;
}

test("README's curl example takes a payment", async () => {
  const payment = JSON.parse(await paste(example('curl ')));
  assert.equal(payment.object, 'payment_intent');
  assert.equal(payment.status, 'succeeded');
  assert.equal(payment.amount, 1099);
});

test("README's stripe-node example prints what its comment says", async () => {
  const program = example('import Stripe');
  const [, promised] = program.match(/console\.log\(payment\.status\); \/\/ (\w+)/);
  const file = join(platform.directory, 'example.mjs');
  symlinkSync(resolve('tests/node_modules'), join(platform.directory, 'node_modules'));
  writeFileSync(file, program);
  assert.equal((await paste(`'${process.execPath}' '${file}'`)).trim(), promised);
});

test('what `up` prints to try works as it is printed', async () => {
  const [, printed] = platform.output.match(/Try it:\n\n([^]*?)\n\n/);
  assert.equal(JSON.parse(await paste(printed)).status, 'succeeded');
});

test('docs/reference/metrics.md lists the metrics that there are', async () => {
  await paste(example('curl ')); // some are made by the first payment
  const page = await (await fetch(platform.ready.metrics_url)).text();
  const help = new Map(
    [...page.matchAll(/^# HELP (\w+) (.*)$/gm)].map(([, name, text]) => [name, text]),
  );
  const found = [...page.matchAll(/^# TYPE (\w+) (\w+)$/gm)]
    .map(([, name, type]) => `| \`${name}\` | ${type} | ${help.get(name)} |`)
    .sort();
  const documented = readFileSync('docs/reference/metrics.md', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  assert.ok(found.length > 20);
  assert.deepEqual(documented, found);
});

// Runs `holdfast drill` and reads its line of JSON. A drill that did not pass has a result as well.

import { holdfast } from './platform.mjs';

export async function drill(name, ...args) {
  const { out, err } = await holdfast('drill', 'run', name, '--json', ...args);
  const line = out.trim();
  if (!line.startsWith('{')) throw new Error(`drill ${name} has no result:\n${out}${err}`);
  console.log(`# ${line}`);
  return { ...JSON.parse(line), said: err };
}

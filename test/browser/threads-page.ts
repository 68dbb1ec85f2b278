/** Runs in a page: the same with one thread and with two. In a browser a worker starts only when the event loop turns. */
import { config, manualSeed, rand, setNumThreads } from '../../src/index.ts';

async function run(): Promise<{ isolated: boolean; shared: boolean; threads: number; same: boolean }> {
  manualSeed(1);
  const [x, m] = [rand(300_001), rand(300, 400)];
  const compute = () => [x.exp().mul(2).add(x), m.softmax(1), m.mm(m.t()), x.sum()];
  setNumThreads(1);
  const alone = compute();
  setNumThreads(2);
  let same = true;
  for (let round = 0; round < 100; round++) {
    await new Promise((resolve) => setTimeout(resolve));
    for (const [i, y] of compute().entries()) same &&= Number(y.sub(alone[i]).abs().max().item()) <= 0.05;
  }
  const { threads, sharedMemory } = config();
  return { isolated: globalThis.crossOriginIsolated, shared: sharedMemory, threads, same };
}

Object.assign(globalThis, { run });

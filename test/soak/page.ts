/** What the test in a browser runs there: the programs, step by step, the event loop turning after each. */
import { memoryReserved, memoryStats } from '../../src/index.ts';
import { programs } from './programs.ts';

const { port1, port2 } = new MessageChannel();
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    port1.onmessage = () => resolve();
    port2.postMessage(null);
  });

export interface Outcome {
  readonly reserved: number;
  readonly allocated: number;
}

export async function run(name: string, n: number, count: number): Promise<Outcome> {
  const { step, check } = programs[name](n);
  for (let i = 0; i < count; i++) {
    step(i);
    await turn();
  }
  check();
  return { reserved: memoryReserved(), allocated: memoryStats().allocatedBytes.allocated };
}

Object.assign(globalThis, { run });

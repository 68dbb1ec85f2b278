/**
 * Lets jax-js have threads in Node: it uses as many as the processor has cores where it finds browsers' `Worker`, which Node lacks.
 * This is as much of it as jax-js needs, on Node's threads. To be imported before jax-js is.
 */
import { resolveObjectURL } from 'node:buffer';
import { Worker as Thread } from 'node:worker_threads';

const scope = `
  const { parentPort } = require('node:worker_threads');
  globalThis.self = globalThis;
  globalThis.postMessage = (message) => parentPort.postMessage(message);
  parentPort.on('message', (data) => self.onmessage({ data }));
`;

globalThis.Worker = class {
  #thread;

  constructor(url) {
    this.#thread = resolveObjectURL(url)
      .text()
      .then((source) => {
        const thread = new Thread(scope + source, { eval: true });
        thread.on('message', (data) => this.onmessage({ data }));
        thread.on('error', (error) => this.onerror(error));
        return thread;
      });
  }

  async postMessage(message) {
    (await this.#thread).postMessage(message);
  }
};
Object.defineProperty(navigator, 'hardwareConcurrency', { value: Number(process.env.BENCH_THREADS) });

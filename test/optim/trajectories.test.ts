import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { optim, type Tensor, tensor } from '../../src/index.ts';

interface Case {
  optimizer: 'SGD' | 'Adam' | 'AdamW';
  options: Record<string, unknown>;
  dtype: 'float32' | 'float64';
  /** After each step: the loss before it, the weights and the biases. */
  steps: number[][];
}
const recording: { cases: Case[] } = JSON.parse(readFileSync('test/optim/trajectories.json', 'utf8'));

const camelCase = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
const numbers = (x: Tensor): number[] => Array.from(x.toTypedArray(), Number);

for (const { optimizer, options, dtype, steps } of recording.cases) {
  test(`${optimizer} ${JSON.stringify(options)} in ${dtype} moves as in PyTorch`, () => {
    const leaf = { dtype, requiresGrad: true } as const;
    const weight = tensor(
      [
        [0.5, -1, 0.25],
        [2, 0.125, -0.75],
      ],
      leaf,
    );
    const bias = tensor([0.1, -0.2, 0.3], leaf);
    const x = tensor(
      [
        [1, 2],
        [-1.5, 0.5],
        [0.25, -2],
        [3, 1],
      ],
      { dtype },
    );
    const y = tensor(
      [
        [0.5, -0.5, 0],
        [1, 0.25, -1],
        [0, 0.75, 0.5],
        [-0.25, 0, 1],
      ],
      { dtype },
    );
    const named = Object.fromEntries(Object.entries(options).map(([name, value]) => [camelCase(name), value]));
    const own = new optim[optimizer]([weight, bias], named);
    steps.forEach((expected, step) => {
      own.zeroGrad();
      const loss = x
        .matmul(weight)
        .add(bias)
        .tanh()
        .sub(y)
        .square()
        .sum()
        .mul(step % 4 === 2 ? 0 : 1);
      loss.backward();
      own.step();
      const actual = [Number(loss.item()), ...numbers(weight), ...numbers(bias)];
      const tolerance = dtype === 'float64' ? 1e-13 : 2e-6;
      expected.forEach((value, i) => {
        const difference = Math.abs(actual[i] - value);
        assert.ok(
          difference <= tolerance * Math.max(1, Math.abs(value)),
          `step ${step}: [${i}] ${actual[i]} not ${value}`,
        );
      });
    });
  });
}

/**
 * The rules of operators for batches (func.vmap), against a loop: a batch of examples that differ, and a batch of batches, give what the
 * examples give one after the other, and so do gradients and tangents, of the batch as a whole and inside of each example.
 */
import assert from 'node:assert/strict';
import { interpreter, type Primitive } from '../../src/autograd/primitive.ts';
import { AdjointError } from '../../src/errors.ts';
import { autograd, func, stack, Tensor, tensor } from '../../src/index.ts';
import type { Call } from './names.ts';
import { type Case, decode, tensorsOf } from './samples.ts';

/** Which of the tensors among the arguments are batches: those that require grad, all of them, or one. */
const choices: readonly ((x: Tensor, place: number, count: number) => boolean)[] = [
  (x) => x.requiresGrad,
  () => true,
  (_, place) => place === 0,
  (_, place, count) => place === count - 1,
];

const close = (a: number, b: number): boolean =>
  a === b || Math.abs(a - b) <= 1e-7 + 1e-6 * Math.abs(b) || (Number.isNaN(a) && Number.isNaN(b));

function compare(what: string, actual: Tensor, wanted: Tensor): void {
  assert.equal(actual.dtype, wanted.dtype, `${what}: dtype`);
  assert.deepEqual([...actual.shape], [...wanted.shape], `${what}: shape`);
  const [a, b] = [actual, wanted].map((x) => Array.from(x.toTypedArray(), Number));
  const wrong = a.findIndex((value, i) => !close(value, b[i]));
  assert.equal(wrong, -1, `${what}: element ${wrong} is ${a[wrong]}, one by one it is ${b[wrong]}`);
}

/** The elements of a tensor, each in the place of the next: they mean as much to an operator, but give something else. */
const rolled = (x: Tensor): Tensor =>
  x
    .reshape(-1)
    .roll(1)
    .view([...x.shape]);

const weights = (like: Tensor, seed: number): Tensor =>
  tensor(Float64Array.from({ length: like.numel() }, (_, i) => Math.cos(1 + 5 * i + 2 * seed)))
    .view([...like.shape])
    .to(like.dtype);

/** The sum of all that can be differentiated of some results, weighed. */
function weighed(results: readonly Tensor[], live: readonly boolean[]): Tensor {
  const terms = results.flatMap((r, k) => (live[k] ? [r.mul(weights(r, k)).sum()] : []));
  return terms.reduce((sum, term) => sum.add(term));
}

/** What vmap did not carry out, by operator, and why. */
export const refused = new Map<string, string>();

/** Every primitive that a sample has called. */
export const seen = new Set<Primitive<unknown>>();

/** Notes the primitives that `work` applies. */
export function watched<T>(work: () => T): T {
  const before = interpreter.current;
  interpreter.current = {
    run: (operator, params, inputs) => {
      seen.add(operator);
      return before?.run(operator, params, inputs) ?? null;
    },
    write: (operator, params, self, others) => {
      seen.add(operator);
      return before?.write(operator, params, self, others) ?? false;
    },
  };
  try {
    return work();
  } finally {
    interpreter.current = before;
  }
}

/** Whether a call does not throw: what is shifted is not always what an operator takes. */
function isPossible(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

/** Checks the rules by which a call is made for a batch, for each choice of what is a batch. */
export function checkBatches(op: string, call: Call, sample: Case): void {
  const inPlace = op.endsWith('_') && !op.endsWith('__');
  const seenChoices = new Set<string>();
  for (const choose of choices) {
    const leaves: Tensor[] = [];
    const args = sample.args.map((arg) => decode(arg, leaves));
    const kwargs = Object.fromEntries(
      Object.entries(sample.kwargs).map(([key, value]) => [key, decode(value, leaves)]),
    );
    const all = tensorsOf([args, kwargs]);
    const chosen = all.map((x, place) => choose(x, place, all.length));
    // what is written to in place has to be as many as what is written
    if (!chosen.includes(true) || (inPlace && !chosen[0]) || seenChoices.has(chosen.join())) continue;
    seenChoices.add(chosen.join());
    const batched = all.filter((_, k) => chosen[k]);
    const run = (...examples: readonly Tensor[]): Tensor[] => {
      const replace = (x: unknown): unknown => {
        if (Array.isArray(x)) return x.map(replace);
        const at = x instanceof Tensor ? batched.indexOf(x) : -1;
        return at >= 0 ? examples[at] : x instanceof Tensor ? x.detach() : x;
      };
      const named = Object.fromEntries(Object.entries(kwargs).map(([key, value]) => [key, replace(value)]));
      const [first, ...rest] = args.map(replace);
      return tensorsOf(call(inPlace ? [(first as Tensor).clone(), ...rest] : [first, ...rest], named));
    };
    const plain = batched.map((x) => x.detach());
    const other = plain.map(rolled);
    const examples = [plain, isPossible(() => run(...other)) ? other : plain];
    const differentiable = batched.flatMap((x, k) => (x.requiresGrad ? [k] : []));
    try {
      checkOne(run, examples, differentiable);
    } catch (error) {
      if (!(error instanceof AdjointError && error.code === 'unsupported')) throw error;
      refused.set(op, error.message);
    }
  }
}

function checkOne(
  run: (...examples: readonly Tensor[]) => Tensor[],
  examples: readonly (readonly Tensor[])[],
  differentiable: readonly number[],
): void {
  const stacked = (): Tensor[] => examples[0].map((_, k) => stack(examples.map((example) => example[k])));
  const loop = examples.map((example) => run(...example));
  const batch = func.vmap(run)(...stacked());
  for (const [k, r] of batch.entries()) {
    for (const i of examples.keys()) compare(`output ${k} of example ${i} of a batch`, r.select(0, i), loop[i][k]);
  }
  const grid = stacked().map((x) => stack([x, x.flip(0)]));
  for (const [k, r] of func
    .vmap(func.vmap(run))(...grid)
    .entries()) {
    const last = examples.length - 1;
    for (const i of examples.keys()) {
      compare(`output ${k} of example ${i} of a batch of batches`, r.select(0, 1).select(0, last - i), loop[i][k]);
    }
  }
  if (differentiable.length === 0) return;

  // one by one
  let live: boolean[] = [];
  const gradients = examples.map((example) => {
    const inputs = example.map((x, k) => (differentiable.includes(k) ? x.detach().requiresGrad_() : x));
    const results = run(...inputs);
    live = results.map((r) => r.requiresGrad);
    const leaves = differentiable.map((k) => inputs[k]);
    return live.includes(true) ? autograd.grad(weighed(results, live), leaves, { materializeGrads: true }) : null;
  });
  if (!live.includes(true)) return;

  // forward mode
  const pushed = (f: (...inputs: Tensor[]) => Tensor[], inputs: readonly Tensor[]): Tensor[] => {
    const own = differentiable.map((k) => inputs[k]);
    const directions = differentiable.map((k) => weights(examples[0][k], k).expand(inputs[k].shape));
    const of = (...duals: Tensor[]): Tensor[] =>
      f(...inputs.map((x, k) => (differentiable.includes(k) ? duals[differentiable.indexOf(k)] : x)));
    return func.jvp(of, own, directions)[1];
  };
  const tangents = examples.map((example) => pushed(run, example));
  for (const [how, all] of [
    ['within an example', func.vmap((...inputs: Tensor[]) => pushed(run, inputs))(...stacked())],
    ['of a batch', pushed(func.vmap(run), stacked())],
  ] as const) {
    for (const [k, tangent] of all.entries()) {
      for (const i of examples.keys()) {
        if (live[k]) compare(`tangent ${k} ${how}, for example ${i}`, tangent.select(0, i), tangents[i][k]);
      }
    }
  }

  const whole = stacked().map((x, k) => (differentiable.includes(k) ? x.requiresGrad_() : x));
  const sums = func.vmap((...inputs: Tensor[]) => weighed(run(...inputs), live))(...whole);
  const outside = autograd.grad(
    sums.sum(),
    differentiable.map((k) => whole[k]),
    { materializeGrads: true },
  );
  const inside = func.vmap(
    func.grad((...inputs: Tensor[]) => weighed(run(...inputs), live), { argnums: differentiable }),
  )(...stacked()) as Tensor[];
  for (const [j, k] of differentiable.entries()) {
    for (const i of examples.keys()) {
      const wanted = (gradients[i] as Tensor[])[j];
      compare(`gradient ${k} of a batch, for example ${i}`, outside[j].select(0, i), wanted);
      compare(`gradient ${k} within example ${i} of a batch`, inside[j].select(0, i), wanted);
    }
  }
}

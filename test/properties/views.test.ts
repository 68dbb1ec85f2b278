/**
 * Chains of random views against a model: for each element of the view, in row-major order, the place of the base that it shows. The model
 * knows nothing of strides: it follows each view by its definition, element by element.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { arange, autograd, type Tensor, zeros } from '../../src/index.ts';
import { slice } from '../../src/ops/view/part.ts';

interface Model {
  readonly shape: readonly number[];
  readonly places: readonly number[];
}

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Every index of a shape, in row-major order. */
const indices = (shape: readonly number[]): number[][] =>
  shape.reduce<number[][]>(
    (all, size) => all.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );

/** The model of a view that shows at each index of `shape` what `m` shows at `from(index)`. */
function showing(m: Model, shape: readonly number[], from: (index: number[]) => number[]): Model {
  const place = (index: readonly number[]): number => m.places[index.reduce((flat, i, d) => flat * m.shape[d] + i, 0)];
  return { shape, places: indices(shape).map((index) => place(from(index))) };
}

const without = (list: readonly number[], d: number): number[] => list.filter((_, k) => k !== d);
const insert = (list: readonly number[], d: number, ...values: number[]): number[] => [
  ...list.slice(0, d),
  ...values,
  ...list.slice(d),
];
const replace = (list: readonly number[], d: number, value: number): number[] =>
  list.map((old, k) => (k === d ? value : old));

/** A whole number below `n`. */
type Draw = (n: number) => number;
type Step = (x: Tensor, m: Model, draw: Draw) => [x: Tensor, m: Model];

const shuffled = (n: number, draw: Draw): number[] => {
  const order: number[] = [];
  for (let k = 0; k < n; k++) order.splice(draw(k + 1), 0, k);
  return order;
};

/** From 0 to `n`, seldom 0. */
const some = (n: number, draw: Draw): number => (n === 0 || draw(16) === 0 ? 0 : 1 + draw(n));

/** Either way to count a dimension. */
const signed = (d: number, rank: number, draw: Draw): number => (draw(2) ? d - rank : d);

const rearranged: { [name: string]: Step } = {
  permute(x, m, draw) {
    const order = shuffled(m.shape.length, draw);
    const shape = order.map((d) => m.shape[d]);
    return [x.permute(order), showing(m, shape, (index) => m.shape.map((_, d) => index[order.indexOf(d)]))];
  },
  unsqueeze(x, m, draw) {
    const d = draw(m.shape.length + 1);
    return [
      x.unsqueeze(signed(d, m.shape.length + 1, draw)),
      showing(m, insert(m.shape, d, 1), (index) => without(index, d)),
    ];
  },
  squeeze(x, m) {
    const kept = m.shape.flatMap((size, d) => (size === 1 ? [] : [d]));
    return [
      x.squeeze(),
      showing(
        m,
        kept.map((d) => m.shape[d]),
        (index) => m.shape.map((_, d) => (kept.includes(d) ? index[kept.indexOf(d)] : 0)),
      ),
    ];
  },
  expand(x, m, draw) {
    const shape = m.shape.map((size) => (size === 1 ? 1 + draw(3) : size));
    const front = 1 + draw(2);
    return [
      x.expand(front, ...shape),
      showing(m, [front, ...shape], ([, ...index]) => index.map((i, d) => (m.shape[d] === 1 ? 0 : i))),
    ];
  },
};

/** Those that need a dimension; `d` is one. */
const along: { [name: string]: (x: Tensor, m: Model, draw: Draw, d: number) => [x: Tensor, m: Model] } = {
  transpose(x, m, draw, d) {
    const e = draw(m.shape.length);
    const swap = (list: readonly number[]): number[] => replace(replace(list, d, list[e]), e, list[d]);
    return [x.transpose(signed(d, m.shape.length, draw), e), showing(m, swap(m.shape), swap)];
  },
  movedim(x, m, draw, d) {
    const to = draw(m.shape.length);
    const shape = insert(without(m.shape, d), to, m.shape[d]);
    return [x.movedim(d, to), showing(m, shape, (index) => insert(without(index, to), d, index[to]))];
  },
  narrow(x, m, draw, d) {
    const start = draw(m.shape[d] + 1);
    const length = some(m.shape[d] - start, draw);
    return [
      x.narrow(signed(d, m.shape.length, draw), start, length),
      showing(m, replace(m.shape, d, length), (index) => replace(index, d, index[d] + start)),
    ];
  },
  slice(x, m, draw, d) {
    const [start, step] = [draw(m.shape[d] + 1), 1 + draw(3)];
    const end = start + some(m.shape[d] + 2, draw);
    const all = Array.from({ length: m.shape[d] }, (_, i) => i);
    const kept = all.slice(start, end).filter((i) => (i - start) % step === 0);
    return [
      slice(x, d, start, end, step),
      showing(m, replace(m.shape, d, kept.length), (index) => replace(index, d, kept[index[d]])),
    ];
  },
  unfold(x, m, draw, d) {
    const [size, step] = [some(m.shape[d], draw), 1 + draw(3)];
    const starts: number[] = [];
    for (let i = 0; i + size <= m.shape[d]; i += step) starts.push(i);
    return [
      x.unfold(d, size, step),
      showing(m, [...replace(m.shape, d, starts.length), size], (index) =>
        replace(index.slice(0, -1), d, starts[index[d]] + index[index.length - 1]),
      ),
    ];
  },
  unflatten(x, m, draw, d) {
    const divisors = Array.from({ length: m.shape[d] }, (_, k) => k + 1).filter((k) => m.shape[d] % k === 0);
    const inner = divisors[draw(divisors.length)] ?? 1;
    const outer = m.shape[d] / inner;
    return [
      x.unflatten(signed(d, m.shape.length, draw), [outer, inner]),
      showing(m, insert(without(m.shape, d), d, outer, inner), (index) =>
        insert([...index.slice(0, d), ...index.slice(d + 2)], d, index[d] * inner + index[d + 1]),
      ),
    ];
  },
  flatten(x, m, draw, d) {
    // of what does not lie in row-major order it may be a copy
    if (!x.isContiguous()) return along.transpose(x, m, draw, d);
    const last = d + draw(m.shape.length - d);
    const size = count(m.shape.slice(d, last + 1));
    return [
      x.flatten(d, last),
      { shape: [...m.shape.slice(0, d), size, ...m.shape.slice(last + 1)], places: m.places },
    ];
  },
  diagonal(x, m, draw, d) {
    const e = draw(m.shape.length);
    if (d === e) return along.transpose(x, m, draw, d);
    const offset = draw(5) - 2;
    const [first, second] = [Math.max(0, -offset), Math.max(0, offset)];
    const length = Math.max(0, Math.min(m.shape[d] - first, m.shape[e] - second));
    const others = m.shape.map((_, k) => k).filter((k) => k !== d && k !== e);
    return [
      x.diagonal(offset, d, e),
      showing(m, [...others.map((k) => m.shape[k]), length], (index) => {
        const i = index[index.length - 1];
        return m.shape.map((_, k) => (k === d ? i + first : k === e ? i + second : index[others.indexOf(k)]));
      }),
    ];
  },
};

/** Those that need an index of dimension `d`. */
const at: { [name: string]: (x: Tensor, m: Model, d: number, i: number) => [x: Tensor, m: Model] } = {
  select: (x, m, d, i) => [
    x.select(d, i - m.shape[d]),
    showing(m, without(m.shape, d), (index) => insert(index, d, i)),
  ],
  unbind: (x, m, d, i) => [x.unbind(d)[i], showing(m, without(m.shape, d), (index) => insert(index, d, i))],
  split: (x, m, d, i) => [
    x.split([i, m.shape[d] - i], d)[1],
    showing(m, replace(m.shape, d, m.shape[d] - i), (index) => replace(index, d, index[d] + i)),
  ],
  chunk: (x, m, d, i) => {
    const size = Math.ceil(m.shape[d] / (i + 1));
    return [x.chunk(i + 1, d)[0], showing(m, replace(m.shape, d, size), (index) => index)];
  },
};

const single = [...Object.values(rearranged), ...Object.values(along).map(withDimension)];
const several = ['unbind', 'split', 'chunk'].map((name) => withIndex(at[name]));
const everything = [...single, withIndex(at.select), ...several];

function withDimension(step: (typeof along)[string]): Step {
  return (x, m, draw) => (m.shape.length === 0 ? [x, m] : step(x, m, draw, draw(m.shape.length)));
}
function withIndex(step: (typeof at)[string]): Step {
  return withDimension((x, m, draw, d) => (m.shape[d] === 0 ? [x, m] : step(x, m, d, draw(m.shape[d]))));
}

interface Chain {
  readonly base: readonly number[];
  readonly steps: readonly { step: Step; draws: readonly number[] }[];
}

const sizes = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 1, max: 5 }) },
  { weight: 1, arbitrary: fc.constant(0) },
);
const shapes = fc.array(sizes, { maxLength: 4, size: 'max' });
const steps = (of: readonly Step[]): fc.Arbitrary<Chain['steps']> =>
  fc.array(
    fc.record({
      step: fc.constantFrom(...of),
      draws: fc.array(fc.integer({ min: 0, max: 2 ** 20 }), { minLength: 8, maxLength: 8 }),
    }),
    { maxLength: 6, size: 'max' },
  );
const chains = (of: readonly Step[]): fc.Arbitrary<Chain> => fc.record({ base: shapes, steps: steps(of) });

/** Takes the views of a chain one after the other, of a tensor of `base` and of its model, as long as that stays small. */
function follow(x: Tensor, { base, steps }: Chain): [x: Tensor, m: Model] {
  let m: Model = { shape: base, places: Array.from({ length: count(base) }, (_, i) => i) };
  for (const { step, draws } of steps) {
    let k = 0;
    const next = step(x, m, (n) => draws[k++ % draws.length] % Math.max(n, 1));
    if (next[1].places.length > 5000) break;
    [x, m] = next;
  }
  return [x, m];
}

const counted = (shape: readonly number[], start = 0): Tensor =>
  arange(start, start + count(shape), { dtype: 'float64' }).view(shape);
const values = (x: Tensor): number[] => Array.from(x.toTypedArray() as Float64Array);

/** What each place of the base gets when each element of a view gives its value to the place that it shows. */
function scattered({ places }: Model, given: readonly number[], base: readonly number[]): number[] {
  const sums = new Array<number>(count(base)).fill(0);
  places.forEach((place, i) => {
    sums[place] += given[i];
  });
  return sums;
}

describe('a chain of views', () => {
  test('shows the elements of its base, in their memory', () => {
    fc.assert(
      fc.property(chains(everything), (chain) => {
        const base = counted(chain.base);
        const [x, m] = follow(base, chain);
        assert.deepEqual(x.shape, m.shape);
        assert.deepEqual(values(x), m.places);
        assert.equal(x.storage, base.storage);
        base.add_(1);
        assert.deepEqual(
          values(x),
          m.places.map((place) => place + 1),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('has the strides by which its elements lie apart', () => {
    fc.assert(
      fc.property(chains(everything), (chain) => {
        const [x, m] = follow(counted(chain.base), chain);
        if (m.places.length === 0) return;
        assert.equal(x.storageOffset(), m.places[0]);
        m.shape.forEach((size, d) => {
          const next = count(m.shape.slice(d + 1));
          if (size > 1) assert.equal(x.stride(d), m.places[next] - m.places[0]);
        });
      }),
      { numRuns: 500 },
    );
  });

  test('gives its cotangent to the places that it shows; differentiated again, that is the view', () => {
    fc.assert(
      fc.property(chains(everything), (chain) => {
        const base = counted(chain.base).requiresGrad_();
        const [x, m] = follow(base, chain);
        const cotangent = counted(m.shape, 1).requiresGrad_();
        const [gradient] = autograd.grad(x, base, { gradOutputs: cotangent, createGraph: true });
        assert.deepEqual(gradient.shape, chain.base);
        assert.deepEqual(values(gradient), scattered(m, values(cotangent), chain.base));
        const [back] = autograd.grad(gradient, cotangent, { gradOutputs: base.detach() });
        assert.deepEqual(values(back), m.places);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a write through a chain of views', () => {
  /** Whether every element lies at a place of its own. */
  const distinct = ({ places }: Model): boolean => new Set(places).size === places.length;
  const writable = [...single, withIndex(at.select)];

  test('changes the base and the other views of it, in value and in history', () => {
    fc.assert(
      fc.property(
        chains(writable).chain((chain) => fc.tuple(fc.constant(chain), steps(everything))),
        ([chain, otherSteps]) => {
          const leaf = counted(chain.base, 1).requiresGrad_();
          const base = leaf.mul(1);
          const [other, seen] = follow(base, { base: chain.base, steps: otherSteps });
          const [x, m] = follow(base, chain);
          fc.pre(distinct(m) && other.gradFn?.name() !== undefined);
          const sealed = /^(Unbind|Split|SplitWithSizes)Backward0$/;
          fc.pre(!ancestors(other).some((name) => sealed.test(name)));
          const factor = counted(m.shape, 100).requiresGrad_();
          x.mul_(factor);

          const product = values(leaf);
          m.places.forEach((place, i) => {
            product[place] *= 100 + i;
          });
          assert.deepEqual(values(base), product);
          assert.deepEqual(
            values(other),
            seen.places.map((place) => product[place]),
          );

          const cotangent = counted(seen.shape, 1);
          const [dleaf, dfactor] = autograd.grad(other, [leaf, factor], { gradOutputs: cotangent, allowUnused: true });
          const atPlaces = scattered(seen, values(cotangent), chain.base);
          const expected = [...atPlaces];
          m.places.forEach((place, i) => {
            expected[place] *= 100 + i;
          });
          assert.deepEqual(values(dleaf ?? zeros(leaf.shape)), expected);
          assert.deepEqual(
            values(dfactor ?? zeros(factor.shape)),
            m.places.map((place) => atPlaces[place] * (place + 1)),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  /** The names of the nodes that a tensor goes back to. */
  function ancestors(x: Tensor): string[] {
    const names: string[] = [];
    for (let node = x.gradFn; node; node = node.nextFunctions[0]?.[0] ?? null) names.push(node.name());
    return names;
  }
});

/**
 * The programs of ../rows.ts in jax-js. Each step is compiled by `jit`, which its guide recommends for sequences of operations; with
 * --eager they run one by one, and with --threads they are shared among several, as in browsers. Its arrays are owned: `.ref` keeps one that is needed again.
 */
import { labels, linear, uniform } from '../data.ts';
import { serve } from '../serve.ts';
import manifest from './package.json' with { type: 'json' };

const threads = process.argv.includes('--threads') ? Number(process.env.BENCH_THREADS) : 1;
if (threads > 1) await import('./browser-workers.mjs');
const jax = await import('@jax-js/jax');
const { jit, nn, numpy: np, tree, valueAndGrad, vjp } = jax;
const eager = process.argv.includes('--eager');
const compiled = eager ? (f) => f : jit;

await jax.init('wasm');
jax.defaultDevice('wasm');

const array = (shape, seed, scale = 1) =>
  np
    .array(
      uniform(
        shape.reduce((a, b) => a * b, 1),
        seed,
        scale,
      ),
    )
    .reshape(shape);
const scalarOf = (value) => np.array(value, { dtype: np.float32 });

function layer(inputs, outputs, seed) {
  const { weight, bias } = linear(inputs, outputs, seed);
  const kernel = weight.map((_, i) => weight[(i % outputs) * inputs + Math.floor(i / outputs)]);
  return { kernel: np.array(kernel).reshape([inputs, outputs]), bias: np.array(bias) };
}

/** x W + b; takes the layer over. */
const apply = ({ kernel, bias }, x) => np.matmul(x, kernel).add(bias);

const oneHot = (count, classes, seed) => nn.oneHot(np.array(labels(count, classes, seed)), classes);

const crossEntropy = (logits, target) => nn.logSoftmax(logits).mul(target).sum(1).mean().mul(-1);

/** A step that calls a function with arrays that stay, and lists what it returns. */
const results =
  (f, ...inputs) =>
  () =>
    tree.leaves(f(...tree.ref(inputs)));

const reductions = {
  sum: (x) => x.sum(),
  'max-last': (x) => np.max(x, 1),
  'max-first': (x) => np.max(x, 0),
  var: (x) => np.var_(x, null, { correction: 1 }),
};

const square = (x) => np.square(x);

const programs = {
  scalar: ({ record }) => {
    const multiply = compiled((x, y) => x.mul(y));
    const [x, y] = [scalarOf(1.5), scalarOf(0.75)];
    if (!record) return results(multiply, x, y);
    return () => {
      const [product, pullback] = vjp(multiply, [x.ref, y.ref]);
      pullback.dispose();
      return [product];
    };
  },

  poly: () => {
    const f = (x) =>
      np.power(x.ref, 4).mul(9).add(np.power(x.ref, 3).mul(2)).add(np.power(x.ref, 2).mul(3)).add(x.mul(6)).add(1);
    return results(compiled(valueAndGrad(f)), scalarOf(2));
  },

  chain: ({ n }) => {
    const f = (x, a, b) => {
      let y = x;
      for (let i = 0; i < n; i++) y = y.mul(a.ref).add(b.ref);
      a.dispose();
      b.dispose();
      return y;
    };
    const inputs = [scalarOf(0.5), scalarOf(1), scalarOf(2 ** -21)];
    return results(compiled(valueAndGrad(f, { argnums: [0, 1, 2] })), ...inputs);
  },

  pointwise: ({ n }) => {
    const f = (x, y) => np.tanh(x.ref.mul(y).add(np.exp(x.mul(-1)))).sum();
    return results(compiled(valueAndGrad(f, { argnums: [0, 1] })), array([n], 1), array([n], 2));
  },

  reduce: ({ n, what }) => results(compiled(reductions[what]), array([n, n], 1)),

  softmax: ({ rows, classes }) =>
    results(compiled(valueAndGrad(crossEntropy)), array([rows, classes], 1, 4), oneHot(rows, classes, 2)),

  matmul: ({ n }) => {
    const f = (a, b, cotangent) => {
      const [product, pullback] = vjp(np.matmul, [a, b]);
      const grads = pullback(cotangent);
      pullback.dispose();
      return [product, grads];
    };
    return results(compiled(f), array([n, n], 1), array([n, n], 2), array([n, n], 3));
  },

  'mlp-tiny': () => {
    const lossOf = ([first, second], x, y) => square(apply(second, np.tanh(apply(first, x))).sub(y)).mean();
    const update = compiled((weights, x, y) => {
      const [loss, grads] = valueAndGrad(lossOf)(tree.ref(weights), x, y);
      return [loss, tree.map((w, g) => w.sub(g.mul(0.01)), weights, grads)];
    });
    return training(update, [layer(2, 16, 1), layer(16, 1, 3)], array([32, 2], 5), array([32, 1], 6));
  },

  mlp: () => {
    const lossOf = ([first, second, third], x, y) => {
      const hidden = nn.relu(apply(second, nn.relu(apply(first, x))));
      return crossEntropy(apply(third, hidden), y);
    };
    const update = compiled(({ weights, m, v, t }, x, y) => {
      const [loss, grads] = valueAndGrad(lossOf)(tree.ref(weights), x, y);
      m = tree.map((m, g) => m.mul(0.9).add(g.mul(0.1)), m, tree.ref(grads));
      v = tree.map((v, g) => v.mul(0.999).add(square(g).mul(0.001)), v, grads);
      const [first, second] = [0.9, 0.999].map((beta) => np.subtract(1, np.power(beta, t.ref)));
      weights = tree.map(
        (w, m, v) =>
          w.sub(
            m
              .div(first.ref)
              .div(np.sqrt(v.div(second.ref)).add(1e-8))
              .mul(1e-4),
          ),
        weights,
        tree.ref(m),
        tree.ref(v),
      );
      first.dispose();
      second.dispose();
      return [loss, { weights, m, v, t: t.add(1) }];
    });
    const weights = [layer(784, 256, 1), layer(256, 128, 3), layer(128, 10, 5)];
    const zeros = () => tree.map((w) => np.zeros(w.shape), weights);
    return training(
      update,
      { weights, m: zeros(), v: zeros(), t: scalarOf(1) },
      array([64, 784], 7),
      oneHot(64, 10, 8),
    );
  },

  attention: ({ batch, tokens, width, heads }) => {
    const f = (x, toQkv, toOut) => {
      const qkv = apply(toQkv, x).reshape([batch, tokens, 3, heads, width / heads]);
      const [query, key, value] = [0, 1, 2].map((which) => qkv.ref.slice([], [], which));
      qkv.dispose();
      const mixed = nn.dotProductAttention(query, key, value, { isCausal: true });
      return square(apply(toOut, mixed.reshape([batch, tokens, width]))).mean();
    };
    const listed = ([loss, [x, toQkv, toOut]]) => [loss, x, toQkv.kernel, toQkv.bias, toOut.kernel, toOut.bias];
    const step = compiled(valueAndGrad(f, { argnums: [0, 1, 2] }));
    const inputs = [array([batch, tokens, width], 5), layer(width, 3 * width, 1), layer(width, width, 3)];
    return () => listed(step(...tree.ref(inputs)));
  },
};

/** A step that moves a state on. */
function training(update, state, x, y) {
  return () => {
    let loss;
    [loss, state] = update(state, x.ref, y.ref);
    return [loss];
  };
}

await serve({
  about: { version: manifest.dependencies['@jax-js/jax'], node: process.version, threads },
  programs,
  read: (x) => x.ref.data(),
  finish: async (arrays) => {
    await jax.blockUntilReady(arrays);
    for (const x of arrays) x.dispose();
  },
});

/** The programs of ../rows.ts in TensorFlow.js on its WebAssembly backend: in `tidy`, what comes out of it disposed of after use. */
import * as tf from '@tensorflow/tfjs';
import { getThreadsCount, setThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import { labels, linear, uniform } from '../data.ts';
import { Lacks, serve } from '../serve.ts';

setThreadsCount(Number(process.env.BENCH_THREADS)); // which it heeds in browsers only
await tf.setBackend('wasm');

const array = (shape, seed, scale = 1) => tf.tensor(uniform(tf.util.sizeFromShape(shape), seed, scale), shape);

function layer(inputs, outputs, seed) {
  const { weight, bias } = linear(inputs, outputs, seed);
  const kernel = tf.tidy(() => tf.tensor(weight, [outputs, inputs]).transpose());
  return { kernel: tf.variable(kernel), bias: tf.variable(tf.tensor1d(bias)) };
}

/** x W + b, for x of two dimensions. */
const apply = ({ kernel, bias }, x) => tf.matMul(x, kernel).add(bias);

const oneHot = (count, classes, seed) =>
  tf.tidy(() => tf.oneHot(tf.tensor1d(labels(count, classes, seed), 'int32'), classes).toFloat());

/** A step that differentiates a function at arrays that stay, and lists the value and the gradients. */
function differentiated(f, inputs, cotangent) {
  const valueAndGrads = tf.valueAndGrads(f);
  return () => {
    const { value, grads } = valueAndGrads(inputs, cotangent);
    return [value, ...grads];
  };
}

const reductions = {
  sum: (x) => tf.sum(x),
  'max-last': (x) => tf.max(x, 1),
  'max-first': (x) => tf.max(x, 0),
  var: (x) => tf.mul(tf.moments(x).variance, x.size / (x.size - 1)),
};

function training(optimizer, loss) {
  return () => [optimizer.minimize(loss, true)];
}

await serve({
  about: {
    version: tf.version['tfjs-core'],
    node: process.version,
    threads: getThreadsCount(),
  },
  programs: {
    scalar: ({ record }) => {
      if (record) throw new Lacks('it records only while it differentiates');
      const [x, y] = [tf.scalar(1.5), tf.scalar(0.75)];
      return () => [tf.mul(x, y)];
    },

    poly: () => {
      const f = (x) => tf.pow(x, 4).mul(9).add(tf.pow(x, 3).mul(2)).add(tf.pow(x, 2).mul(3)).add(x.mul(6)).add(1);
      return differentiated(f, [tf.scalar(2)]);
    },

    chain: ({ n }) => {
      const f = (x, a, b) => {
        let y = x;
        for (let i = 0; i < n; i++) y = y.mul(a).add(b);
        return y;
      };
      return differentiated(f, [tf.scalar(0.5), tf.scalar(1), tf.scalar(2 ** -21)]);
    },

    pointwise: ({ n }) =>
      differentiated((x, y) => tf.tanh(x.mul(y).add(tf.exp(tf.neg(x)))).sum(), [array([n], 1), array([n], 2)]),

    reduce: ({ n, what }) => {
      const x = array([n, n], 1);
      return () => [tf.tidy(() => reductions[what](x))];
    },

    softmax: ({ rows, classes }) => {
      const target = oneHot(rows, classes, 2);
      return differentiated((logits) => tf.losses.softmaxCrossEntropy(target, logits), [array([rows, classes], 1, 4)]);
    },

    matmul: ({ n }) =>
      differentiated((a, b) => tf.matMul(a, b), [array([n, n], 1), array([n, n], 2)], array([n, n], 3)),

    'mlp-tiny': () => {
      const [first, second] = [layer(2, 16, 1), layer(16, 1, 3)];
      const [x, y] = [array([32, 2], 5), array([32, 1], 6)];
      const loss = () => tf.losses.meanSquaredError(y, apply(second, tf.tanh(apply(first, x))));
      return training(tf.train.sgd(0.01), loss);
    },

    mlp: () => {
      const [first, second, third] = [layer(784, 256, 1), layer(256, 128, 3), layer(128, 10, 5)];
      const [x, y] = [array([64, 784], 7), oneHot(64, 10, 8)];
      const loss = () => {
        const hidden = tf.relu(apply(second, tf.relu(apply(first, x))));
        return tf.losses.softmaxCrossEntropy(y, apply(third, hidden));
      };
      return training(tf.train.adam(1e-4, 0.9, 0.999, 1e-8), loss);
    },

    attention: ({ batch, tokens, width, heads }) => {
      const [toQkv, toOut] = [layer(width, 3 * width, 1), layer(width, width, 3)];
      const size = width / heads;
      const ahead = tf.tidy(() => tf.sub(1, tf.linalg.bandPart(tf.ones([tokens, tokens]), -1, 0)).mul(-1e9));
      const f = (x, qkvKernel, qkvBias, outKernel, outBias) => {
        const rows = apply({ kernel: qkvKernel, bias: qkvBias }, x.reshape([-1, width]));
        const split = rows.reshape([batch, tokens, 3, heads, size]).transpose([2, 0, 3, 1, 4]);
        const [query, key, value] = tf.unstack(split);
        const scores = tf
          .matMul(query, key, false, true)
          .mul(1 / Math.sqrt(size))
          .add(ahead);
        const mixed = tf.matMul(tf.softmax(scores), value).transpose([0, 2, 1, 3]);
        return apply({ kernel: outKernel, bias: outBias }, mixed.reshape([-1, width]))
          .square()
          .mean();
      };
      const x = array([batch, tokens, width], 5);
      return differentiated(f, [x, toQkv.kernel, toQkv.bias, toOut.kernel, toOut.bias]);
    },
  },
  read: (x) => x.data(),
  finish: (tensors) => tf.dispose(tensors),
});

/**
 * What is timed, as a user of Adjoint would write it. Each function prepares a program and returns its step, which hands over
 * what the libraries are compared by. peers/ has the same programs in other libraries.
 */
import { nn, optim, type Tensor, tensor } from 'adjoint';
import { labels, linear, uniform } from './data.ts';
import type { Program } from './serve.ts';

const F = nn.functional;

/** A leaf with such elements. */
const leaf = (shape: number[], seed: number, scale = 1): Tensor =>
  tensor(
    uniform(
      shape.reduce((a, b) => a * b, 1),
      seed,
      scale,
    ),
  )
    .reshape(shape)
    .requiresGrad_();

/** The gradient of a leaf, which is cleared. */
function taken(x: Tensor): Tensor {
  const grad = x.grad!;
  x.grad = null;
  return grad;
}

function layer(inputs: number, outputs: number, seed: number): nn.Linear {
  const made = new nn.Linear(inputs, outputs);
  const { weight, bias } = linear(inputs, outputs, seed);
  made.loadStateDict({ weight: tensor(weight).reshape(outputs, inputs), bias: tensor(bias) });
  return made;
}

const reductions: Record<string, (x: Tensor) => Tensor> = {
  sum: (x) => x.sum(),
  'max-last': (x) => x.amax(1),
  'max-first': (x) => x.amax(0),
  var: (x) => x.var(),
};

export const programs = {
  scalar: ({ record }) => {
    const x = tensor(1.5, { requiresGrad: record === true });
    const y = tensor(0.75);
    return () => [x.mul(y)];
  },

  poly: () => {
    const x = tensor(2, { dtype: 'float32', requiresGrad: true });
    return () => {
      const y = x.pow(4).mul(9).add(x.pow(3).mul(2)).add(x.pow(2).mul(3)).add(x.mul(6)).add(1);
      y.backward();
      return [y, taken(x)];
    };
  },

  chain: ({ n }) => {
    const x = tensor(0.5, { requiresGrad: true });
    const a = tensor(1, { dtype: 'float32', requiresGrad: true });
    const b = tensor(2 ** -21, { requiresGrad: true });
    return () => {
      let y = x;
      for (let i = 0; i < (n as number); i++) y = y.mul(a).add(b);
      y.backward();
      return [y.detach(), taken(x), taken(a), taken(b)];
    };
  },

  pointwise: ({ n }) => {
    const x = leaf([n as number], 1);
    const y = leaf([n as number], 2);
    return () => {
      const loss = x.mul(y).add(x.neg().exp()).tanh().sum();
      loss.backward();
      return [loss, taken(x), taken(y)];
    };
  },

  reduce: ({ n, what }) => {
    const x = leaf([n as number, n as number], 1).detach();
    const reduce = reductions[what as string];
    return () => [reduce(x)];
  },

  softmax: ({ rows, classes }) => {
    const logits = leaf([rows as number, classes as number], 1, 4);
    const target = tensor(labels(rows as number, classes as number, 2), { dtype: 'int64' });
    return () => {
      const loss = F.crossEntropy(logits, target);
      loss.backward();
      return [loss, taken(logits)];
    };
  },

  matmul: ({ n }) => {
    const shape = [n as number, n as number];
    const a = leaf(shape, 1);
    const b = leaf(shape, 2);
    const cotangent = leaf(shape, 3).detach();
    return () => {
      const product = a.matmul(b);
      product.backward(cotangent);
      return [product, taken(a), taken(b)];
    };
  },

  'mlp-tiny': () => {
    const model = new nn.Sequential(layer(2, 16, 1), new nn.Tanh(), layer(16, 1, 3));
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.01 });
    const x = tensor(uniform(32 * 2, 5)).reshape(32, 2);
    const y = tensor(uniform(32, 6)).reshape(32, 1);
    return () => {
      optimizer.zeroGrad();
      const loss = F.mseLoss(model.forward(x), y);
      loss.backward();
      optimizer.step();
      return [loss];
    };
  },

  mlp: () => {
    const layers = [layer(784, 256, 1), new nn.ReLU(), layer(256, 128, 3), new nn.ReLU(), layer(128, 10, 5)];
    const model = new nn.Sequential(...layers);
    const optimizer = new optim.Adam(model.parameters(), { lr: 1e-4 });
    const x = tensor(uniform(64 * 784, 7)).reshape(64, 784);
    const y = tensor(labels(64, 10, 8), { dtype: 'int64' });
    return () => {
      optimizer.zeroGrad();
      const loss = F.crossEntropy(model.forward(x), y);
      loss.backward();
      optimizer.step();
      return [loss];
    };
  },

  attention: ({ batch, tokens, width, heads }) => {
    const [b, t, w, h] = [batch, tokens, width, heads] as number[];
    const toQkv = layer(w, 3 * w, 1);
    const toOut = layer(w, w, 3);
    const x = leaf([b, t, w], 5);
    const leaves = [x, ...toQkv.parameters(), ...toOut.parameters()];
    return () => {
      const qkv = toQkv
        .forward(x)
        .reshape(b, t, 3, h, w / h)
        .permute(2, 0, 3, 1, 4);
      const [query, key, value] = qkv.unbind(0);
      const mixed = F.scaledDotProductAttention(query, key, value, { isCausal: true });
      const loss = toOut
        .forward(mixed.transpose(1, 2).reshape(b, t, w))
        .square()
        .mean();
      loss.backward();
      return [loss, ...leaves.map(taken)];
    };
  },
} satisfies Record<string, Program<Tensor>>;

'use tsover'; // in this file, + - * / % and ** work on tensors

/** A network learns to read the handwritten digits of MNIST. */
import { setImmediate } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { manualSeed, nn, noGrad, optim, randperm, type Tensor, tensor } from 'adjoint';
import { type Digits, loadDigits } from './mnist/idx.ts';
import { percent, startProgress } from './mnist/progress.ts';

const usage = `
Options:
  --epochs N  passes over the training images (3)
  --batch N   images per step (64)
  --lr X      learning rate at the start; it falls to zero over the run (0.002)
  --seed N    seed of the weights and of the order of the images (0)`;

const { epochs, batch, lr, seed } = orExit(readOptions, usage);
const digits = orExit(loadDigits);
const train = toSamples(digits.train);
const test = toSamples(digits.test);

manualSeed(seed);
const model = new nn.Sequential(
  new nn.Linear(784, 256),
  new nn.ReLU(),
  new nn.Linear(256, 128),
  new nn.ReLU(),
  new nn.Linear(128, 10),
);
const optimizer = new optim.Adam(model.parameters(), { lr });
const steps = epochs * Math.ceil(train.count / batch);
let step = 0;

// Ctrl-C ends the run after the step in progress. It may arrive several times: from the terminal, and from npm.
let interrupted: NodeJS.Signals | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (interrupted = signal));

console.log(`\nMNIST: ${train.count} handwritten digits to learn from, ${test.count} to be tested on\n`);
console.log(model);
for (let epoch = 1; epoch <= epochs && !interrupted; epoch++) {
  console.log();
  await trainEpoch(`Epoch ${epoch}/${epochs}`);
  if (!interrupted) console.log(`Test accuracy ${percent(testAccuracy())}`);
}
if (interrupted) {
  console.log('Stopped.');
  process.removeAllListeners(interrupted);
  process.kill(process.pid, interrupted); // whoever started the program sees that it was interrupted
}

async function trainEpoch(title: string): Promise<void> {
  const progress = startProgress(title, train.count);
  let done = 0;
  let lossSum = 0;
  let correct = 0;
  for (const chosen of randperm(train.count).split(batch)) {
    const images = train.images.indexSelect(0, chosen);
    const labels = train.labels.indexSelect(0, chosen);

    for (const group of optimizer.paramGroups) group.lr = lr * (1 - step / steps);
    const scores = model.forward(normalise(images));
    const loss = nn.functional.crossEntropy(scores, labels);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();

    step++;
    done += chosen.numel();
    lossSum += chosen.numel() * Number(loss.item());
    correct += countCorrect(scores, labels);
    progress.update(done, { loss: lossSum / done, accuracy: correct / done });
    await setImmediate(); // the bar and Ctrl-C get their turn
    if (interrupted) break;
  }
  progress.stop();
}

/** The share of the test images that the model reads correctly. */
function testAccuracy(): number {
  const scores = noGrad(() => model.forward(normalise(test.images)));
  return countCorrect(scores, test.labels) / test.count;
}

/** In how many rows the highest score is that of the label. */
function countCorrect(scores: Tensor, labels: Tensor): number {
  return Number(scores.argmax(1).eq(labels).sum().item());
}

/** Brings pixels from 0..255 to mean 0 and standard deviation 1, as they are over the training images. */
function normalise(pixels: Tensor): Tensor {
  return (pixels / 255 - 0.1307) / 0.3081;
}

function toSamples({ images, labels }: Digits) {
  return {
    count: labels.data.length,
    images: tensor(images.data).reshape(-1, 784),
    labels: tensor(labels.data, { dtype: 'int64' }),
  };
}

function readOptions() {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { epochs: text, batch: text, lr: text, seed: text } });
  const read = (name: keyof typeof values, fallback: number, valid: (value: number) => boolean, what: string) => {
    const value = values[name] === undefined ? fallback : Number(values[name]);
    if (!valid(value)) throw new Error(`--${name} must be ${what}, got ${values[name]}`);
    return value;
  };
  const isCount = (value: number) => Number.isSafeInteger(value) && value > 0;
  return {
    epochs: read('epochs', 3, isCount, 'a whole number above 0'),
    batch: read('batch', 64, isCount, 'a whole number above 0'),
    lr: read('lr', 0.002, (value) => value > 0 && value < Infinity, 'a number above 0'),
    seed: read('seed', 0, (value) => Number.isSafeInteger(value) && value >= 0, 'a whole number'),
  };
}

/** What `read` returns; if that fails, the reason and a hint are all that is shown. */
function orExit<T>(read: () => T, hint = ''): T {
  try {
    return read();
  } catch (error) {
    console.error(`${(error as Error).message}\n${hint}`);
    process.exit(1);
  }
}

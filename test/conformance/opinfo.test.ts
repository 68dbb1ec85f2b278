/**
 * The generic test of operators: every call that PyTorch's own samples hold, of every operator that exists here, gives PyTorch's outputs,
 * gradients and second-order products, and these gradients are those of finite differences.
 *
 * All of them:                     node --test test/conformance/opinfo.test.ts
 * Some, by PyTorch's names:        OPINFO=softmax,nn.functional.gelu node --test test/conformance/opinfo.test.ts
 * Other samples than the project's: OPINFO_FILE=more.json.gz node --test test/conformance/opinfo.test.ts
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { AdjointError } from '../../src/errors.ts';
import { autograd, Tensor, tensor } from '../../src/index.ts';
import { checkBatches, refused, seen, watched } from './batches.ts';
import { checkDifferences } from './gradients.ts';
import { type Call, resolve } from './names.ts';
import { checkRandom } from './random-operators.ts';
import { excused, notBatched, notSmooth, required } from './required.ts';
import {
  type Case,
  decode,
  type Encoded,
  type Expected,
  expected,
  Missing,
  type Operator,
  readSamples,
  tensorsOf,
  titleOf,
} from './samples.ts';

const { torch, ops } = readSamples(process.env.OPINFO_FILE ?? 'test/conformance/opinfo.json.gz');
const wanted = process.env.OPINFO?.split(',');

const show = (x: unknown): string => {
  if (x instanceof Tensor) return `${x.dtype}${JSON.stringify(x.shape)}${x.isContiguous() ? '' : ' strided'}`;
  if (Array.isArray(x)) return `[${x.map(show).join(', ')}]`;
  if (Object.getPrototypeOf(x ?? 0) === Object.prototype) {
    return `{ ${Object.entries(x as object)
      .map(([key, value]) => `${key}: ${show(value)}`)
      .join(', ')} }`;
  }
  return typeof x === 'string' ? JSON.stringify(x) : String(x);
};

const close = (a: number, b: number): boolean =>
  a === b || Math.abs(a - b) <= 1e-7 + 1e-6 * Math.abs(b) || (Number.isNaN(a) && Number.isNaN(b));

/** Throws unless `actual` is PyTorch's tensor: dtype, shape and, within the rounding of float64, values. */
function compare(what: string, actual: Tensor, { dtype, shape, elements }: Expected, upToSign = false): void {
  assert.equal(actual.dtype, dtype, `${what}: dtype`);
  assert.deepEqual([...actual.shape], [...shape], `${what}: shape`);
  const own = actual.toTypedArray();
  for (let i = 0; i < elements.length; i++) {
    let [a, b] = [Number(own[i]), Number(elements[i])];
    if (upToSign) [a, b] = [Math.abs(a), Math.abs(b)];
    if (!close(a, b)) {
      const differ = [...elements].filter((e, j) => !close(Number(own[j]), Number(e))).length;
      throw new Error(`${what}: element ${i} is ${a}, PyTorch's is ${b} (${differ} of ${elements.length} differ)`);
    }
  }
}

/** The same for a gradient, which may be absent. */
function compareGrad(what: string, actual: Tensor | null, encoded: Encoded, absentIsZero: boolean): void {
  if (encoded === null || actual === null) {
    if (encoded === null && actual === null) return;
    assert.ok(absentIsZero, `${what}: ${actual ? 'there is one' : 'there is none'}, unlike PyTorch`);
    const elements = actual ? actual.toTypedArray() : expected(encoded).elements;
    assert.ok(
      [...elements].every((e) => close(Number(e), 0)),
      `${what}: it should be zero or absent`,
    );
    return;
  }
  compare(what, actual, expected(encoded));
}

/** Numbers of both signs that look like nothing in particular. */
const direction = (like: Tensor, seed: number): Tensor =>
  tensor(Float64Array.from({ length: like.numel() }, (_, i) => Math.sin(1 + 7 * i + 3 * seed))).view([...like.shape]);

/** Forward mode is the transpose of reverse mode: <tangent of the outputs, cotangents> is <direction, gradients>. */
function checkForward(call: Call, sample: Case): void {
  const { grads = [], cotangents = {} } = sample;
  const directions: Tensor[] = [];
  const lift = (x: unknown): unknown => {
    if (Array.isArray(x)) return x.map(lift);
    if (!(x instanceof Tensor) || !x.requiresGrad) return x;
    directions.push(direction(x, directions.length));
    return autograd.forwardAd.makeDual(x.detach(), directions[directions.length - 1]);
  };
  const sum = (pairs: readonly (readonly [Tensor, Tensor])[]): [total: number, scale: number] => {
    const products = pairs.flatMap(([a, b]) => [...a.mul(b).toTypedArray()].map(Number));
    return [products.reduce((s, x) => s + x, 0), products.reduce((s, x) => s + Math.abs(x), 1)];
  };
  autograd.forwardAd.dualLevel(() => {
    const args = sample.args.map((arg) => lift(decode(arg, [])));
    const kwargs = Object.fromEntries(
      Object.entries(sample.kwargs).map(([key, value]) => [key, lift(decode(value, []))]),
    );
    const tangents = tensorsOf(call(args, kwargs)).map((r) => autograd.forwardAd.unpackDual(r).tangent);
    const forward = sum(
      Object.entries(cotangents).flatMap(([i, c]) => {
        const tangent = tangents[Number(i)];
        return tangent ? [[tangent, decode(c, []) as Tensor] as const] : [];
      }),
    );
    const reverse = sum(
      grads.flatMap((g, k) => (g === null ? [] : [[decode(g, []) as Tensor, directions[k]] as const])),
    );
    const difference = Math.abs(forward[0] - reverse[0]);
    assert.ok(
      difference <= 1e-6 * (forward[1] + reverse[1]),
      `forward mode gives ${forward[0]}, reverse mode ${reverse[0]}`,
    );
  });
}

/** How many samples of each operator are checked against finite differences. */
const differenced = 5;

/** Whether a sample is checked against finite differences: it has finite gradients, and is one of the first. */
function canBeChecked(operator: Operator, sample: Case): boolean {
  const { cotangents = {}, nonfinite = false } = sample;
  if (nonfinite || Object.keys(cotangents).length === 0) return false;
  return !(titleOf(operator) in notSmooth) && operator.cases.indexOf(sample) < differenced;
}

/** Makes one call and compares all that it gives with what PyTorch gave. */
function check(operator: Operator, call: Call, sample: Case): void {
  const { op, random } = operator;
  const leaves: Tensor[] = [];
  const args = sample.args.map((arg) => decode(arg, leaves));
  const kwargs = Object.fromEntries(Object.entries(sample.kwargs).map(([key, value]) => [key, decode(value, leaves)]));
  const outputs = sample.outputs.map(expected);
  try {
    // an operator in place may not write to a leaf
    const fed = op.endsWith('_') && !op.endsWith('__') ? [(args[0] as Tensor).clone(), ...args.slice(1)] : args;
    const result = call(fed, kwargs);
    const results = tensorsOf(result);
    assert.equal(
      result instanceof Tensor,
      sample.single,
      sample.single ? 'one tensor expected' : 'several results expected',
    );
    assert.equal(results.length, outputs.length, 'the number of tensors in the result');
    if (random) {
      checkRandom(op, args, kwargs, leaves, results, sample);
      if (canBeChecked(operator, sample)) checkDifferences(operator, call, sample);
      return;
    }
    const gauge = sample.noGrad === 'gauge';
    for (const [i, output] of outputs.entries()) compare(`output ${i}`, results[i], output, gauge);
    if (gauge) return;
    for (const [i, r] of results.entries()) {
      assert.equal(r.requiresGrad, i in (sample.cotangents ?? {}), `output ${i}: whether it requires grad`);
    }
    watched(() => checkBatches(op, call, sample));
    if (!sample.cotangents) return;
    watched(() => checkGradients(leaves, results, sample));
    if (!sample.nonfinite) checkForward(call, sample);
    if (canBeChecked(operator, sample)) checkDifferences(operator, call, sample);
  } catch (error) {
    if (error instanceof Missing) throw error;
    if (error instanceof AdjointError && error.code === 'unsupported') throw new Missing(error.message);
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(
      `${op}(${[...args, ...(Object.keys(kwargs).length ? [kwargs] : [])].map(show).join(', ')}): ${message}`,
      { cause: error },
    );
  }
}

function checkGradients(leaves: readonly Tensor[], results: readonly Tensor[], sample: Case): void {
  const { grads = [], v, grads2 = [] } = sample;
  const cotangents = Object.entries(sample.cotangents ?? {});
  const differentiate = (createGraph: boolean): (Tensor | null)[] =>
    autograd.grad(
      cotangents.map(([i]) => results[Number(i)]),
      leaves,
      {
        gradOutputs: cotangents.map(([, c]) => decode(c, []) as Tensor),
        retainGraph: true,
        allowUnused: true,
        createGraph,
      },
    );
  for (const [k, g] of differentiate(false).entries()) compareGrad(`gradient ${k}`, g, grads[k], false);
  if (!v) return;
  const gradients = differentiate(true);
  for (const [k, g] of gradients.entries()) compareGrad(`recorded gradient ${k}`, g, grads[k], false);
  // What does not depend on the inputs has no gradient of its own, or one of zero: which of both is a matter of how it is computed.
  const again = gradients.flatMap((g, k) => (g?.requiresGrad && v[k] !== null ? [k] : []));
  const second: (Tensor | null)[] =
    again.length === 0
      ? leaves.map(() => null)
      : autograd.grad(
          again.map((k) => gradients[k] as Tensor),
          leaves,
          { gradOutputs: again.map((k) => decode(v[k], []) as Tensor), allowUnused: true },
        );
  for (const [k, g] of second.entries()) compareGrad(`second-order gradient ${k}`, g, grads2[k], true);
}

/** Counts for the summary, of operators (with their variants) and of cases. */
const count = { operators: { pass: 0, fail: 0, missing: 0 }, cases: { pass: 0, fail: 0, missing: 0 } };
const failing: string[] = [];
const missing = new Map<string, string[]>();
/** Whether it is only for its dtype that a case is missing. */
const isDType = ({ message }: Missing): boolean => message.startsWith('dtype');
const note = (why: string, title: string): void => void missing.set(why, [...(missing.get(why) ?? []), title]);

for (const operator of ops) {
  const title = titleOf(operator);
  if (wanted && !wanted.includes(title) && !wanted.includes(operator.op)) continue;
  test(title, (t) => {
    const call = resolve(operator.op);
    if (!call) {
      note('not here', title);
      count.operators.missing++;
      count.cases.missing += operator.cases.length;
      t.skip('not here');
      return;
    }
    const failures: string[] = [];
    const reasons = new Set<string>();
    let passed = 0;
    operator.cases.forEach((sample, i) => {
      try {
        check(operator, call, sample);
        passed++;
      } catch (error) {
        if (
          error instanceof Missing &&
          (!required.includes(operator.op) || excused.includes(title) || isDType(error))
        ) {
          reasons.add(error.message);
          count.cases.missing++;
        } else failures.push(`case ${i}: ${(error as Error).message}`);
      }
    });
    count.cases.pass += passed;
    count.cases.fail += failures.length;
    for (const reason of reasons) note(reason, title);
    if (failures.length > 0) {
      count.operators.fail++;
      failing.push(title);
      throw new Error(`${failures.length} of ${operator.cases.length} cases fail\n${failures.join('\n')}`);
    }
    if (passed > 0) count.operators.pass++;
    else {
      count.operators.missing++;
      t.skip([...reasons].join(', '));
    }
  });
}

for (const [title, why] of Object.entries(notSmooth)) {
  const operator = ops.find((candidate) => titleOf(candidate) === title);
  if (wanted && !wanted.includes(title)) continue;
  test(`${title} is not checked against finite differences: ${why}`, () => {
    assert.ok(operator);
    const call = resolve(operator.op) as Call;
    assert.throws(
      () => {
        for (const sample of operator.cases) checkDifferences(operator, call, sample);
      },
      autograd.GradcheckError,
      'it passes: take it off the list',
    );
  });
}

if (!wanted) {
  test('every operator of the core set is here', () => {
    assert.deepEqual(
      required.filter((name) => !resolve(name)),
      [],
      'these are missing',
    );
  });

  test('vmap carries out every operator by a rule, but for those that it refuses', () => {
    const byLoop = [...seen].filter((operator) => !operator.batch && !operator.view).map(({ name }) => name);
    assert.deepEqual([...new Set(byLoop)], [], 'these are applied to one example after the other');
    assert.deepEqual([...refused.keys()].sort(), Object.keys(notBatched).sort());
    for (const [op, message] of refused) assert.ok(message.startsWith(notBatched[op]), `${op}: ${message}`);
  });
}

after(() => {
  const line = ({ pass, fail, missing }: typeof count.cases): string =>
    `${pass} pass, ${fail} fail, ${missing} missing`;
  const lines = [`PyTorch ${torch} operators: ${line(count.operators)}; cases: ${line(count.cases)}`];
  if (failing.length > 0) lines.push(`failing: ${failing.join(' ')}`);
  for (const [why, titles] of missing) lines.push(`missing (${why}): ${titles.join(' ')}`);
  console.log(lines.join('\n'));
});

/** autograd.toDot and toSvg: the graph as a picture. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { autograd, ones, type Tensor, tensor } from '../../src/index.ts';

const { toDot, toSvg } = autograd;

const leaf = (...shape: number[]): Tensor => ones(...shape, { requiresGrad: true });

/** The statements, without those about style. */
const statements = (dot: string): string[] =>
  dot
    .split('\n')
    .slice(3, -2)
    .map((line) => line.trim());

describe('toDot', () => {
  test('draws outputs, nodes and leaves in the direction of the computation', () => {
    const x = leaf(1, 3);
    assert.equal(
      toDot(x.mul(2).sum()),
      `digraph {
	graph [size="12,12"]
	node [align=left, fontname=monospace, fontsize=10, height=0.2, ranksep=0.1, shape=box, style=filled]
	n0 [label="()", fillcolor=darkolivegreen1]
	n1 -> n0
	n1 [label="SumBackward0"]
	n2 -> n1
	n2 [label="MulBackward0"]
	n3 -> n2
	n3 [label="AccumulateGrad"]
	n4 [label="(1, 3)", fillcolor=lightblue]
	n4 -> n3
}
`,
    );
  });

  test('names leaves, by an object or by pairs', () => {
    const [x, w] = [leaf(3), leaf(3)];
    const y = x.mul(w).sum();
    for (const params of [{ 'layer.w': w }, [['layer.w', w]] as const, new Map([['layer.w', w]])]) {
      const dot = toDot(y, { params });
      assert.match(dot, /label="layer\.w\\n\(3\)", fillcolor=lightblue/);
      assert.match(dot, /label="\(3\)", fillcolor=lightblue/);
    }
  });

  test('draws a node once and each of its edges', () => {
    const x = leaf(3);
    const y = x.exp();
    const lines = statements(toDot(y.mul(y)));
    assert.equal(lines.filter((line) => line.includes('"ExpBackward0"')).length, 1);
    const exp = lines.find((line) => line.includes('"ExpBackward0"'))?.split(' ')[0];
    assert.equal(lines.filter((line) => line.startsWith(`${exp} -> `)).length, 2);
  });

  test('draws several outputs in one picture', () => {
    const x = leaf(3);
    const dot = toDot([x.exp(), x.sin()]);
    assert.equal(dot.match(/darkolivegreen1/g)?.length, 2);
    assert.equal(dot.match(/"AccumulateGrad"/g)?.length, 1);
  });

  test('draws what an output is a view of', () => {
    const lines = statements(toDot(leaf(1, 3).mul(2).view(3)));
    assert.deepEqual(
      lines.filter((line) => line.includes('darkolivegreen') || line.includes('dotted')),
      [
        'n0 [label="(3)", fillcolor=darkolivegreen1]',
        'n2 [label="(1, 3)", fillcolor=darkolivegreen3]',
        'n2 -> n0 [style=dotted]',
      ],
    );
  });

  test('shows what is saved if asked', () => {
    class Square extends autograd.Function {
      static forward(ctx: autograd.FunctionCtx, x: Tensor): Tensor {
        ctx.saveForBackward(x);
        return x.mul(x);
      }
      static backward(ctx: autograd.FunctionCtx, gradient: Tensor): Tensor {
        return gradient.mul(ctx.savedTensors[0]).mul(2);
      }
    }
    const y = Square.apply(leaf(3).exp().unsqueeze(0));
    assert.doesNotMatch(toDot(y), /orange/);
    const saved = statements(toDot(y, { showSaved: true })).filter((line) => /orange|dir=none/.test(line));
    assert.deepEqual(saved, [
      'n1_0 [label="saved 0\\n(1, 3)", fillcolor=orange]',
      'n1 -> n1_0 [dir=none]',
      'n3_0 [label="result 0\\n(3)", fillcolor=orange]',
      'n3 -> n3_0 [dir=none]',
    ]);
    y.sum().backward();
    assert.doesNotMatch(toDot(y, { showSaved: true }), /orange/);
  });

  test('shows what a write to a part has saved', () => {
    const x = leaf(3).mul(1);
    x.narrow(0, 0, 2).exp_();
    assert.match(toDot(x, { showSaved: true }), /label="result 0\\n\(2\)", fillcolor=orange/);
  });

  test('draws a tensor without a graph', () => {
    assert.deepEqual(statements(toDot(tensor([1, 2]), { params: { 'a "b" \\': ones(1) } })), [
      'n0 [label="(2)", fillcolor=darkolivegreen1]',
    ]);
  });

  test('quotes names', () => {
    const x = leaf(2);
    assert.match(toDot(x.mul(1), { params: { 'a "b" \\': x } }), /\[label="a \\"b\\" \\\\\\n\(2\)"/);
  });

  test('draws graphs of any depth', () => {
    let y = leaf(1);
    for (let i = 0; i < 20000; i++) y = y.neg();
    assert.equal(toDot(y).match(/"NegBackward0"/g)?.length, 20000);
  });

  test('refuses what it cannot draw', () => {
    // @ts-expect-error a number is no tensor
    assert.throws(() => toDot(3), /toDot draws Tensors, got 3/);
    // @ts-expect-error a number is no tensor
    assert.throws(() => toDot([leaf(1), 3]), /toDot draws Tensors, got 3/);
    // @ts-expect-error there is no such option
    assert.throws(() => toDot(leaf(1), { names: {} }), /toDot: unknown option "names"/);
  });
});

describe('toSvg', () => {
  test('is the image of what toDot gives', async () => {
    const [x, w] = [leaf(3), leaf(3)];
    const svg = await toSvg(x.mul(w).sum(), { params: { x, w } });
    assert.match(svg, /^<\?xml/);
    assert.match(svg, /<svg /);
    for (const text of ['SumBackward0', 'MulBackward0', '>x<', '>w<', '>(3)<']) assert.ok(svg.includes(text), text);
    assert.equal(svg.match(/class="node"/g)?.length, 7);
  });

  test('takes the options of toDot', async () => {
    // @ts-expect-error there is no such option
    await assert.rejects(toSvg(leaf(1), { names: {} }), /unknown option "names"/);
  });
});

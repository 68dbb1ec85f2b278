/**
 * Both editions of the tutorial, run as a reader runs them. All that they print is kept in test/tutorial/; after a change that is meant, it
 * comes from `npm start --silent tutorial > test/tutorial/en.txt` and the like.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

const root = new URL('.', import.meta.resolve('adjoint/package.json'));

const editions = [
  { program: 'tutorial', transcript: 'en.txt' },
  { program: 'tutorial.ko', transcript: 'ko.txt' },
].map(({ program, transcript }) => ({
  program,
  printed: execFileSync(process.execPath, [`build/examples/${program}.js`], { cwd: root, encoding: 'utf8' }),
  expected: readFileSync(new URL(`test/tutorial/${transcript}`, root), 'utf8'),
}));

/** The code of each cell and what it printed: the lines under the code, up to an empty one. */
function cellsOf(transcript: string): { code: string; output: string }[] {
  const cell = /^In \[\d+\]: (?<code>.*\n(?:(?:\n(?= ))? {8,}.*\n)*)(?<output>(?:.+\n)*)/gm;
  return [...transcript.matchAll(cell)].map(({ groups }) => ({ code: groups!.code, output: groups!.output.trimEnd() }));
}

const threes = 'tensor([[3., 3.],\n        [3., 3.]])';
const outputs = [
  '', // imports
  '', // seed
  'tensor([[0.9863, 0.9045],\n        [0.5759, 0.9950]], requires_grad=True)',
  'false\ntensor([1., 2., 3.], requires_grad=True)',
  'tensor(10.3852, grad_fn=<SumBackward0>) <SumBackward0>',
  'true null\nfalse [ [ <MulBackward0>, 0 ] ]',
  'null',
  threes,
  threes.replaceAll('3', '7'),
  threes.replaceAll('3', '4'),
  'AdjointError: Trying to backward through the graph a second time (or directly access saved tensors after they have already ' +
    'been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify ' +
    'retainGraph: true if you need to backward through the graph a second time or if you need to access saved tensors after ' +
    'calling backward.',
  '', // backward with retainGraph
  threes,
  threes.replaceAll('3', '6'),
  `[\n  ${threes.replace('\n', '\n  ')}\n]`,
  'tensor(0.9508)',
  'true\ntrue\nfalse',
  '', // the polynomial
  '', // its derivatives
  '[ tensor(22.) ]',
  '', // exercise 1
  '[ tensor(330., grad_fn=<AddBackward0>) ]',
  '', // backward
  'tensor(330.)',
  '', // exercise 3
  '[ tensor(2., grad_fn=<MulBackward0>) ]\n[ tensor(12., grad_fn=<MulBackward0>) ]',
  'tensor(1.)',
  `digraph {
	graph [size="12,12"]
	node [align=left, fontname=monospace, fontsize=10, height=0.2, ranksep=0.1, shape=box, style=filled]
	n0 [label="y\\n()", fillcolor=darkolivegreen1]
	n1 -> n0
	n1 [label="AddBackward0"]
	n2 -> n1
	n3 -> n1
	n2 [label="PowBackward0"]
	n2_0 [label="input 0\\n()", fillcolor=orange]
	n2 -> n2_0 [dir=none]
	n4 -> n2
	n3 [label="PowBackward0"]
	n3_0 [label="input 0\\n()", fillcolor=orange]
	n3 -> n3_0 [dir=none]
	n5 -> n3
	n4 [label="AccumulateGrad"]
	n6 [label="x\\n()", fillcolor=lightblue]
	n6 -> n4
	n5 [label="AccumulateGrad"]
	n7 [label="z\\n()", fillcolor=lightblue]
	n7 -> n5
}`,
];

for (const { program, printed, expected } of editions) {
  describe(program, () => {
    test('prints the values of the notebook', () => {
      assert.deepEqual(
        cellsOf(printed).map((cell) => cell.output),
        outputs,
      );
    });

    test('prints nothing but what is expected', () => {
      assert.equal(printed, expected);
    });
  });
}

test('the picture in docs is the one that is drawn', () => {
  const drawn = execFileSync(process.execPath, ['build/examples/picture.js'], { cwd: root, encoding: 'utf8' });
  assert.equal(readFileSync(new URL('docs/graph.svg', root), 'utf8'), drawn);
});

test('the editions show the same cells', () => {
  const [english, korean] = editions.map(({ printed }) => cellsOf(printed));
  assert.deepEqual(korean, english);
});

/** Sums of products in index notation, and over pairs of dimensions. */

import { named } from '../../core/named.ts';
import { checkDim, showShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { tensorOperand } from '../pointwise/pointwise-operator.ts';
import { diagonal } from '../view/view.ts';
import { arranged, contract, type Labelled, summed } from './contract.ts';

const syntax = (message: string): AdjointError => new AdjointError('argument', `einsum(): ${message}`);
const mismatch = (message: string): AdjointError => new AdjointError('shape', `einsum(): ${message}`);

const ellipsis = '...';

/** The subscripts at `from` up to `end` of the equation: letters, and at most one ellipsis. */
function readSubscripts(equation: string, from: number, end: number, owner: string): string[] {
  const subscripts: string[] = [];
  for (let i = from; i < end; i++) {
    const c = equation[i];
    if (c === ' ') continue;
    if (c === '.') {
      if (subscripts.includes(ellipsis)) throw syntax(`found '.' for ${owner} for which an ellipsis was already found`);
      if (equation.slice(i, Math.min(i + 3, end)) !== ellipsis) {
        throw syntax(`found '.' for ${owner} that is not part of any ellipsis`);
      }
      subscripts.push(ellipsis);
      i += 2;
    } else if (/[a-zA-Z]/.test(c)) subscripts.push(c);
    else {
      throw syntax(
        `invalid subscript given at index ${i} in the equation string, subscripts must be in [a-zA-Z], got ${show(c)}`,
      );
    }
  }
  return subscripts;
}

/** The subscripts of each operand, and those of the result if they are given. */
function readEquation(equation: string): { inputs: string[][]; output: string[] | null } {
  const arrow = equation.indexOf('->');
  const end = arrow < 0 ? equation.length : arrow;
  const inputs: string[][] = [];
  let from = 0;
  while (from <= end) {
    const comma = equation.indexOf(',', from);
    const to = comma < 0 || comma > end ? end : comma;
    inputs.push(readSubscripts(equation, from, to, `operand ${inputs.length}`));
    from = to + 1;
  }
  return { inputs, output: arrow < 0 ? null : readSubscripts(equation, arrow + 2, equation.length, 'output') };
}

/** Names for `count` dimensions of an ellipsis. They are counted from the last, so that they broadcast. */
const ellipsisLabels = (count: number): string[] => Array.from({ length: count }, (_, d) => `${ellipsis}${count - d}`);
const expandEllipsis = (subscripts: readonly string[], count: number): string[] =>
  subscripts.flatMap((label) => (label === ellipsis ? ellipsisLabels(count) : [label]));

/** How many dimensions the ellipsis of an operand stands for. */
function ellipsisRank(subscripts: readonly string[], { ndim }: Tensor, operand: number): number {
  const hasEllipsis = subscripts.includes(ellipsis);
  const letters = subscripts.length - Number(hasEllipsis);
  if (hasEllipsis ? letters > ndim : letters !== ndim) {
    throw mismatch(
      `the number of subscripts in the equation (${letters}) ${hasEllipsis ? 'is more than' : 'does not match'} the number of dimensions (${ndim}) ` +
        `for operand ${operand}${hasEllipsis ? '' : ' and no ellipsis was given'}`,
    );
  }
  return ndim - letters;
}

/** An operand in which no label is repeated any more: the diagonal along its dimensions instead. */
function withoutRepeats(x: Tensor, labels: readonly string[], operand: number): Labelled {
  for (const [second, label] of labels.entries()) {
    const first = labels.indexOf(label);
    if (first === second) continue;
    const [n, m] = [x.shape[first], x.shape[second]];
    if (n !== m) {
      throw mismatch(`subscript ${label} is repeated for operand ${operand} but the sizes don't match, ${m} != ${n}`);
    }
    const others = labels.filter((_, d) => d !== first && d !== second);
    return withoutRepeats(diagonal(x, 0, first, second), [...others, label], operand);
  }
  return { x, labels };
}

/** Throws unless the sizes of each label broadcast. */
function checkSizes(terms: readonly Labelled[]): void {
  const known = new Map<string, number>();
  terms.forEach(({ x, labels }, operand) => {
    labels.forEach((label, d) => {
      const [size, seen] = [x.shape[d], known.get(label) ?? 1];
      if (size !== 1 && seen !== 1 && size !== seen) {
        throw mismatch(
          `subscript ${label.startsWith(ellipsis) ? ellipsis : label} has size ${size} for operand ${operand} which does not broadcast with ` +
            `previously seen size ${seen}; the shapes are ${terms.map((term) => showShape(term.x.shape)).join(', ')}`,
        );
      }
      if (seen === 1) known.set(label, size);
    });
  });
}

/** The labels of the result: as given, or those that occur once, in alphabetical order. */
function outputLabels(
  output: readonly string[] | null,
  inputs: readonly (readonly string[])[],
  rank: number,
): string[] {
  const all = inputs.flat();
  if (!output) {
    const letters = all.filter(
      (label, i) => label.length === 1 && all.indexOf(label) === i && all.lastIndexOf(label) === i,
    );
    return [...ellipsisLabels(rank), ...letters.sort()];
  }
  output.forEach((label, d) => {
    if (output.indexOf(label) !== d) throw syntax(`output subscript ${label} appears more than once in the output`);
    if (label !== ellipsis && !all.includes(label)) {
      throw syntax(`output subscript ${label} does not appear in the equation for any input operand`);
    }
  });
  return expandEllipsis(output, rank);
}

/**
 * A sum of products in index notation (torch.einsum): `einsum('ij,jk->ik', a, b)` is the product of two matrices. Each operand has a letter for each of
 * its dimensions. The product is taken over all values of all letters and summed over those that the output does not have. Without
 * `->` the output has, in alphabetical order, upper case first, the letters that occur once. A letter that an operand repeats takes the
 * diagonal. An ellipsis stands for any further dimensions, which broadcast; in an implicit output they come first. Sizes of 1 broadcast, and
 * spaces do not count.
 *
 * The operands are multiplied from the left to the right, as products of matrices wherever something is summed.
 * @throws if the equation cannot be read, or the operands do not fit it
 */
export function einsum(equation: string, ...operands: readonly Tensor[] | [operands: readonly Tensor[]]): Tensor {
  const tensors = (Array.isArray(operands[0]) ? operands[0] : operands) as readonly Tensor[];
  if (typeof equation !== 'string') throw syntax(`expected an equation, got ${show(equation)}`);
  if (tensors.length === 0) throw syntax('must provide at least one operand');
  for (const x of tensors) tensorOperand('einsum', x);
  const { inputs, output } = readEquation(equation);
  if (inputs.length !== tensors.length) {
    throw syntax(
      `${inputs.length > tensors.length ? 'fewer' : 'more'} operands were provided than specified in the equation: ${tensors.length} for ${inputs.length}`,
    );
  }
  const ranks = inputs.map((subscripts, i) => ellipsisRank(subscripts, tensors[i], i));
  const labels = inputs.map((subscripts, i) => expandEllipsis(subscripts, ranks[i]));
  const wanted = outputLabels(output, labels, Math.max(...ranks));
  const terms = labels.map((own, i) => withoutRepeats(tensors[i], own, i));
  checkSizes(terms);

  let product = terms[0];
  for (let i = 1; i < terms.length; i++) {
    const later = terms.slice(i + 1).flatMap((term) => term.labels);
    product = contract(product, terms[i], (label) => wanted.includes(label) || later.includes(label));
  }
  return arranged(
    summed(product, (label) => wanted.includes(label)),
    wanted,
  );
}

/** How many dimensions to sum over: the last of the one and the first of the other; or which, in pairs. */
export type TensordotDims = number | readonly [dims: readonly number[], otherDims: readonly number[]];

function pairsOf(x: Tensor, other: Tensor, dims: TensordotDims): [number[], number[]] {
  if (typeof dims === 'number') {
    if (!Number.isInteger(dims) || dims < 0 || dims > Math.min(x.ndim, other.ndim)) {
      throw new AdjointError(
        'argument',
        `tensordot expects dims >= 0 and at most the dimensions of either tensor, but got dims=${dims} for shapes ${showShape(x.shape)} and ${showShape(other.shape)}`,
      );
    }
    const count = Array.from({ length: dims }, (_, d) => d);
    return [count.map((d) => x.ndim - dims + d), count];
  }
  if (!Array.isArray(dims) || dims.length !== 2 || !dims.every(Array.isArray)) {
    throw new AdjointError(
      'argument',
      `tensordot: dims must be a number or two lists of dimensions, got ${show(dims)}`,
    );
  }
  if (dims[0].length !== dims[1].length) {
    throw new AdjointError('argument', `tensordot: both dimension lists should have same length, got ${show(dims)}`);
  }
  const checked = ({ ndim }: Tensor, list: readonly number[]): number[] => {
    const own = list.map((d) => checkDim(d, ndim));
    own.forEach((d, i) => {
      if (own.indexOf(d) !== i) {
        throw new AdjointError(
          'argument',
          `tensordot: dim ${d} appears multiple times in the list of dims ${show(list)}`,
        );
      }
    });
    return own;
  };
  return [checked(x, dims[0]), checked(other, dims[1])];
}

/**
 * The sum of products over pairs of dimensions (torch.tensordot): the last `dims` of `x` and the first of `other`, or those of two
 * lists. The other dimensions of `x` come first in the result. A size of 1 broadcasts.
 * @throws if the sizes of a pair differ, or the dtypes do
 */
export const tensordot = named('tensordot', ['other', 'dims'], (x: Tensor, other: Tensor, dims: TensordotDims = 2) => {
  const [own, others] = pairsOf(tensorOperand('tensordot', x), tensorOperand('tensordot', other), dims);
  own.forEach((d, i) => {
    const [n, m] = [x.shape[d], other.shape[others[i]]];
    if (n !== m && n !== 1 && m !== 1) {
      throw new AdjointError(
        'shape',
        `tensordot: contracted dimensions need to match, but first has size ${n} in dim ${d} and second has size ${m} in dim ${others[i]}`,
      );
    }
  });
  const label = (name: string, pairs: readonly number[]) => (_: number, d: number) =>
    pairs.includes(d) ? `pair ${pairs.indexOf(d)}` : `${name} ${d}`;
  const a = { x, labels: x.shape.map(label('left', own)) };
  const b = { x: other, labels: other.shape.map(label('right', others)) };
  return contract(a, b, (name) => !name.startsWith('pair')).x;
});

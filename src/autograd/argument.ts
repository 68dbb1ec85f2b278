/** What transforms do to arguments as they enter, and to results as they leave: so far they are recorded, and no further. */
import { isFloatingPoint } from '../core/dtype.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';
import { edgeOf, requiresGrad, twin } from './edge.ts';
import { enableGrad, inferenceMode, mode, noGrad } from './modes.ts';
import { dividedEdges, type Gradients, Node } from './node.ts';
import { leavesOf, mapTree, type Tree } from './tree.ts';

/** Runs `work` outside of inference mode, whose tensors cannot be differentiated. Nothing is recorded, unless `work` sees to it. */
export const outsideInference = <T>(work: () => T): T =>
  mode.inference ? inferenceMode(false, () => noGrad(work)) : work();

/** Runs `work` recording, in inference mode as well. */
export const recording = <T>(work: () => T): T => (mode.inference ? inferenceMode(false, work) : enableGrad(work));

/** The tensor, or where it cannot be saved for a backward, because it was made in inference mode, a copy. */
export const ordinary = (x: Tensor): Tensor => (x.storage.inference ? x.clone() : x);

/** An argument of a transform: the place where the gradient is wanted, in front of whatever made the argument outside. */
class Argument extends Node {
  /** Whether the transform is under way. */
  open = true;

  constructor(of: Tensor) {
    super(...dividedEdges([edgeOf(of)]));
    this.setOutputs([of]);
  }

  name(): string {
    return 'Argument';
  }

  apply(gradients: Gradients): Gradients {
    return gradients;
  }
}

/** Runs `work` with arguments that it can differentiate with respect to. */
export function withArguments<Args extends readonly Tree[], T>(args: Args, work: (fresh: Args) => T): T {
  const nodes: Argument[] = [];
  leavesOf(args);
  const fresh = args.map((tree) =>
    mapTree(tree, (x) => {
      if (!isFloatingPoint(x.dtype)) {
        throw new AdjointError(
          'argument',
          `only Tensors of floating point dtype can require gradients, got ${x.dtype}`,
        );
      }
      const argument = twin(ordinary(x));
      const node = new Argument(x);
      nodes.push(node);
      argument._node = node;
      argument._outputNr = 0;
      return argument;
    }),
  );
  try {
    return enableGrad(() => work(fresh as unknown as Args));
  } finally {
    for (const node of nodes) node.open = false;
  }
}

/** Whether a gradient can be wanted beyond a node: where a graph ends, or at an argument of a transform that is still under way. */
function isLive(node: Node): boolean {
  const reached = new Set([node]);
  for (const place of reached) {
    if (place instanceof Argument ? place.open : place.next.length === 0) return true;
    for (const next of place.next) if (next) reached.add(next);
  }
  return false;
}

/** A result as it leaves a transform: in the graph only as far as the graph goes on outside, and where that is recorded. */
export function release<T extends Tree>(tree: T): T {
  return mapTree(tree, (x) => {
    if (mode.grad ? !x._node || isLive(x._node) : !requiresGrad(x)) return x;
    return Object.assign(twin(x), { _node: null, _outputNr: 0, _view: null });
  });
}

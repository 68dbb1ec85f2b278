/** Several tensors written over at once, each by an expression of the same operands: one kernel, which reads and writes every element once. */
import { amid, surroundings } from '../../autograd/around.ts';
import { mutation } from '../../autograd/mutation.ts';
import { interpreter, type Operand, type Primitive } from '../../autograd/primitive.ts';
import { checkInPlace } from '../../autograd/write.ts';
import { sameShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import * as s from '../../kernels/expr.ts';
import { launchRows, type RowCode, rowCode } from '../launch/rows.ts';
import { Pointwise } from './pointwise-operator.ts';

/** It is unrecorded: for optimizers and their like. */
export class Update {
  private readonly name: string;
  private readonly expressions: readonly s.Expr[];
  private readonly code: RowCode;
  private readonly arity: number;

  /** @param expressions what is written over the first operands, in their order */
  constructor(name: string, expressions: (...inputs: s.Expr[]) => s.Expr[], arity: number) {
    this.name = name;
    this.arity = arity;
    this.expressions = expressions(...Array.from({ length: arity }, (_, k) => s.input(k)));
    this.code = rowCode({ totals: [], results: this.expressions });
  }

  call(...operands: Operand[]): void {
    const targets = operands.slice(0, this.expressions.length) as Tensor[];
    if (interpreter.current || !areAlike(targets, operands)) {
      const values = this.expressions.map((e) => new Pointwise(this.name, e, this.arity).call(...operands));
      for (const [k, target] of targets.entries()) target.copy_(values[k]);
      return;
    }
    const write = (): Tensor => {
      for (const { storage } of targets) mutation.scope?.beforeWrite(storage);
      launchRows(this.code, targets[0].shape, operands, targets[0].dtype, targets);
      for (const { storage } of targets) storage.version++;
      return targets[0];
    };
    for (const target of targets) checkInPlace(target, false, false);
    if (surroundings.length === 0) write();
    else {
      const primitive = { name: this.name, forward: write, vjp: () => null } satisfies Primitive;
      amid({ primitive, params: undefined, inputs: operands, inPlace: true }, write);
    }
  }
}

/** Whether all tensors are of one shape and dtype, and lie in memory of their own. */
function areAlike(targets: readonly Tensor[], operands: readonly Operand[]): boolean {
  const [{ shape, dtype }] = targets;
  const fits = (x: Operand): boolean =>
    typeof x === 'number' ||
    (x.dtype === dtype &&
      sameShape(x.shape, shape) &&
      targets.every((target) => target === x || !target.storage.shares(x.storage)));
  return operands.every(fits);
}

/** What `debug` adds to the errors of a checkpoint: which operators ran, where they were called, at first and again. */
import { type CallStack, callStack, frames } from '../autograd/anomaly.ts';
import { type Around, amid, operatorName, surround } from '../autograd/around.ts';
import { showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';

const described = (value: unknown): string =>
  value instanceof Tensor ? `${value.dtype} ${showShape(value.shape)}` : String(value);

/** The operators that a function applied, without those that they apply in turn. */
class Log {
  private readonly lines: { readonly text: string; readonly call: CallStack }[] = [];
  private busy = false;

  private readonly note: Around = (applied, compute) => {
    if (this.busy) return compute();
    this.busy = true;
    try {
      const result = compute();
      const text = `${operatorName(applied)}(${applied.inputs.map(described).join(', ')}) -> ${[result].flat().map(described).join(', ')}`;
      this.lines.push({ text, call: callStack(amid) });
      return result;
    } finally {
      this.busy = false;
    }
  };

  readonly context = (work: () => unknown): unknown => {
    this.lines.length = 0;
    return surround(this.note, work);
  };

  operators(): string {
    return this.lines.map(({ text }) => text).join('\n');
  }

  calls(label: string): string {
    const count = this.lines.length;
    return this.lines
      .map(({ text, call }, i) => `${text}   (${i + 1} of ${count} in ${label})\n${frames(call)}`)
      .join('\n\n');
  }
}

/** The two logs of a checkpoint. */
export class CheckpointLog {
  private readonly first = new Log();
  private readonly again = new Log();

  /** What its function runs in, at first and again. */
  readonly contexts = [this.first.context, this.again.context] as const;

  toString(): string {
    return [
      '1. Calls of the operators that ran in the original forward',
      this.first.calls('original'),
      '2. Calls of the operators that ran during recomputation',
      this.again.calls('recompute'),
      '3. Operators executed during the original forward',
      this.first.operators(),
      'Operators executed during recomputation',
      this.again.operators(),
      '4. You are seeing this error because you passed `debug: true` to checkpoint, and the tensors that were saved during the original ' +
        'forward differ from those saved during recomputation. Look for the first operator in which the two lists differ, and above ' +
        'for the call that it belongs to.',
    ].join('\n\n');
  }
}

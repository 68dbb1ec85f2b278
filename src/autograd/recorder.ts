/** Taking the time of operators and nodes as they run, for profiler.ts. */
import type { Tensor } from '../core/tensor.ts';
import { bytesOf } from '../kernels/element.ts';
import { type Around, operatorName } from './around.ts';
import type { Operand } from './primitive.ts';

/** Times in microseconds, memory in bytes. */
export interface Figures {
  readonly cpuTimeTotal: number;
  /** Without the calls inside. */
  readonly selfCpuTimeTotal: number;
  /** The size of what was made: of an operator its results, if they are no views; of others what the operators inside have made. */
  readonly cpuMemoryUsage: number;
  /** Without the calls inside: negative where an operator gave up what these had made. */
  readonly selfCpuMemoryUsage: number;
}

/** One call that was recorded. */
export interface FunctionEvent extends Figures {
  readonly name: string;
  /** What it is: an operator, a node of a backward, or a part of the program that `recordFunction` names. */
  readonly kind: 'operator' | 'backward' | 'user';
  /** When it began, counted from the beginning of the profile. */
  readonly start: number;
}

/** A call under way. */
interface Span {
  readonly outer: Span | null;
  /** What the calls inside of it come to. */
  time: number;
  memory: number;
}

/** In microseconds. */
const now = (): number => performance.now() * 1000;

/** The size of results that do not lie in the memory of an input. */
function bytesMade(results: readonly Tensor[], inputs: readonly Operand[]): number {
  const storages = new Set(inputs.map((x) => typeof x === 'object' && x.storage));
  return results.reduce((sum, y) => (storages.has(y.storage) ? sum : sum + y.numel() * bytesOf[y.dtype]), 0);
}

/** Takes the time of calls as they are made. */
export class Recorder {
  private readonly origin = now();
  /** In the order in which the calls began; null for those under way. */
  readonly events: (FunctionEvent | null)[] = [];
  private innermost: Span | null = null;

  /**
   * Begins a call; what it returns ends it, and takes the bytes that the call has made, if they are not those of the calls
   * inside. One that throws may be left without an end: it does not show.
   */
  begin(name: string, kind: FunctionEvent['kind']): (made?: number) => void {
    const { events, origin, innermost: outer } = this;
    const span: Span = { outer, time: 0, memory: 0 };
    this.innermost = span;
    const place = events.push(null) - 1;
    const start = now();
    return (made = span.memory) => {
      const time = now() - start;
      events[place] = {
        name,
        kind,
        start: start - origin,
        cpuTimeTotal: time,
        selfCpuTimeTotal: time - span.time,
        cpuMemoryUsage: made,
        selfCpuMemoryUsage: made - span.memory,
      };
      this.innermost = outer;
      if (!outer) return;
      outer.time += time;
      outer.memory += made;
    };
  }

  /** An operator. */
  readonly operator: Around = (applied, compute) => {
    const end = this.begin(operatorName(applied), 'operator');
    let made = 0;
    try {
      const out = compute();
      if (!applied.inPlace) made = bytesMade([out].flat(), applied.inputs);
      return out;
    } finally {
      end(made);
    }
  };
}

/** Looked at whenever a node has its turn. */
export const profiler: { recorder: Recorder | null } = { recorder: null };

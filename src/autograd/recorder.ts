/** Taking the time of operators and nodes as they run, for profiler.ts. */
import type { Shape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { bytesOf } from '../kernels/element.ts';
import { callStack, frames } from './anomaly.ts';
import { type Around, amid, operatorName } from './around.ts';
import type { Gradients, Node } from './node.ts';
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

const total = (events: readonly FunctionEvent[], of: 'cpuTimeTotal' | 'cpuMemoryUsage'): number =>
  events.reduce((sum, event) => sum + event[of], 0);

/** One call that was recorded (torch.autograd.profiler_util.FunctionEvent). */
export class FunctionEvent implements Figures {
  readonly name: string;
  /** What it is: an operator, a node of a backward, or a part of the program that `recordFunction` names. */
  readonly kind: 'operator' | 'backward' | 'user';
  /** When it began, counted from the beginning of the profile. */
  readonly start: number;
  /** The call that it is inside of. */
  readonly cpuParent: FunctionEvent | null;
  /** The calls inside of it that are over, in order. */
  readonly cpuChildren: FunctionEvent[] = [];
  /** The same number for an operator and the node that it has left; -1 for an operator that left none, and for other calls. */
  sequenceNr = -1;
  /** With `recordShapes`: of operators the shapes of the inputs, [] for a number; of nodes those of the gradients that arrived. */
  inputShapes: readonly Shape[] = [];
  /** With `withStack`: the calls that lead to it, innermost first; of what happens in a backward, those that lead to the operator of the node. */
  stack: readonly string[] = [];
  cpuTimeTotal = 0;
  cpuMemoryUsage = 0;
  /** @internal Whether it has ended. */
  over = false;

  constructor(name: string, kind: FunctionEvent['kind'], start: number, cpuParent: FunctionEvent | null) {
    this.name = name;
    this.kind = kind;
    this.start = start;
    this.cpuParent = cpuParent;
  }

  get key(): string {
    return this.name;
  }

  get count(): number {
    return 1;
  }

  get cpuTime(): number {
    return this.cpuTimeTotal;
  }

  get selfCpuTimeTotal(): number {
    return this.cpuTimeTotal - total(this.cpuChildren, 'cpuTimeTotal');
  }

  get selfCpuMemoryUsage(): number {
    return this.cpuMemoryUsage - total(this.cpuChildren, 'cpuMemoryUsage');
  }
}

/** In microseconds. */
const now = (): number => performance.now() * 1000;

/** The size of results that do not lie in the memory of an input. */
function bytesMade(results: readonly Tensor[], inputs: readonly Operand[]): number {
  const storages = new Set(inputs.map((x) => typeof x === 'object' && x.storage));
  return results.reduce((sum, y) => (storages.has(y.storage) ? sum : sum + y.numel() * bytesOf[y.dtype]), 0);
}

const shapesOf = (inputs: readonly (Operand | null)[]): Shape[] =>
  inputs.map((x) => (x instanceof Tensor ? [...x.shape] : []));

/** What is noted of each call beside its time. */
export interface Recorded {
  readonly recordShapes: boolean;
  readonly profileMemory: boolean;
  readonly withStack: boolean;
}

/** Where this library lies, or null if it was bundled with the program. */
const here = import.meta.url ?? '';
const library = /\/autograd\/recorder\.[jt]s$/.test(here) ? new URL('..', here).href : null;

/** The calls that lead to an operator, without those inside of this library. */
function callers(): string[] {
  const all = frames(callStack(amid))
    .split('\n')
    .map((frame) => frame.trim());
  return all.filter((frame) => library === null || !frame.includes(library));
}

/** Takes the time of calls as they are made. */
export class Recorder {
  private readonly origin = now();
  private readonly recorded: Recorded;
  private readonly all: FunctionEvent[] = [];
  private innermost: FunctionEvent | null = null;
  /** The calls that lead to the operators that nodes belong to. */
  private readonly stacks = new Map<number, readonly string[]>();

  constructor(recorded: Recorded) {
    this.recorded = recorded;
  }

  /** Every call that is over, in the order in which they began. */
  get events(): FunctionEvent[] {
    return this.all.filter((event) => event.over);
  }

  private begin(name: string, kind: FunctionEvent['kind']): FunctionEvent {
    const event = new FunctionEvent(name, kind, now() - this.origin, this.innermost);
    this.innermost = event;
    this.all.push(event);
    return event;
  }

  /** Ends a call. @param made the bytes that it has made, if they are not those of the calls inside */
  private end(event: FunctionEvent, made?: number): void {
    event.cpuTimeTotal = now() - this.origin - event.start;
    event.cpuMemoryUsage = made ?? total(event.cpuChildren, 'cpuMemoryUsage');
    event.over = true;
    event.cpuParent?.cpuChildren.push(event);
    this.innermost = event.cpuParent;
  }

  /** Begins a part of the program; what it returns ends it. */
  part(name: string): () => void {
    const event = this.begin(name, 'user');
    return () => this.end(event);
  }

  /** The turn of a node, which `work` does. */
  turn<T>(node: Node, gradients: Gradients, work: () => T): T {
    const event = this.begin(node.name(), 'backward');
    if (this.recorded.recordShapes) event.inputShapes = shapesOf(gradients);
    if (node.next.length > 0) event.sequenceNr = node.sequence;
    event.stack = this.stacks.get(node.sequence) ?? [];
    try {
      return work();
    } finally {
      this.end(event);
    }
  }

  /** An operator. */
  readonly operator: Around = (applied, compute) => {
    const { recordShapes, profileMemory, withStack } = this.recorded;
    const { inputs, inPlace } = applied;
    const before = inPlace ? (inputs[0] as Tensor)._node : null;
    const event = this.begin(operatorName(applied), 'operator');
    if (recordShapes) event.inputShapes = shapesOf(inputs);
    if (withStack) event.stack = inBackward(event)?.stack ?? callers();
    let made = 0;
    try {
      const out = compute();
      const results = [out].flat();
      if (profileMemory && !inPlace) made = bytesMade(results, inputs);
      const node = results[0]?._node;
      if (node && node !== before) {
        event.sequenceNr = node.sequence;
        if (withStack) this.stacks.set(node.sequence, event.stack);
      }
      return out;
    } finally {
      this.end(event, made);
    }
  };
}

/** The turn of a node that a call happens in. */
function inBackward(event: FunctionEvent): FunctionEvent | null {
  for (let outer = event.cpuParent; outer; outer = outer.cpuParent) if (outer.kind === 'backward') return outer;
  return null;
}

/** Looked at whenever a node has its turn. */
export const profiler: { recorder: Recorder | null } = { recorder: null };

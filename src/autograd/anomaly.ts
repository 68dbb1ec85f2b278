/** Finding the forward call behind a backward that goes wrong: torch.autograd.detect_anomaly. */

import { checkOptions, isOptions } from '../core/options.ts';
import { AdjointError, show } from '../errors.ts';
import { engine } from './current.ts';
import { everywhere } from './everywhere.ts';
import { scoped, unrecorded } from './modes.ts';
import type { Gradients, Node } from './node.ts';

/** Looked at when a node is made, and when one has run. */
export const anomaly = { enabled: false, checkNan: true };

export interface AnomalyOptions {
  /** Whether a gradient that holds NaN is an error. Default: true. */
  checkNan?: boolean;
}

/** Where a node was made, and which node's backward was being recorded at that time, if any. */
interface Origin {
  readonly call: CallStack;
  readonly inducedBy: Node | null;
}

const origins = new WeakMap<Node, Origin>();
const framesKept = 50;

/** What V8 adds to errors; other engines keep whole stacks anyway. */
interface StackCapture {
  stackTraceLimit?: number;
  captureStackTrace?(target: object, above: () => void): void;
}

/** The calls that lead to the current one, to be read by `frames`. They are put into words only then. */
export interface CallStack {
  stack?: string;
}

/** @param above the function at which the account of the calls ends */
export function callStack(above: object): CallStack {
  const call: CallStack = {};
  const errors = Error as StackCapture;
  const limit = errors.stackTraceLimit;
  errors.stackTraceLimit = framesKept;
  if (errors.captureStackTrace) errors.captureStackTrace(call, above as () => void);
  else call.stack = new Error().stack;
  errors.stackTraceLimit = limit;
  return call;
}

/** The frames of a stack trace, without the line that names the error. */
export const frames = ({ stack }: CallStack): string => (stack ?? '').replace(/^Error.*\n/, '').trimEnd();

/**
 * Notes the calls that lead to the making of a node.
 * @param maker the function at which the account of them ends
 */
export function noteOrigin(node: Node, maker: object): void {
  origins.set(node, { call: callStack(maker), inducedBy: engine.run?.node ?? null });
}

/** The text that tells where a node was made; for a node of a recorded backward, also what that was the backward of, and so on. */
function account(node: Node): string {
  const unknown = `Error detected in ${node.name()}. No forward pass information available. Enable detect anomaly during forward pass for more information.`;
  let origin = origins.get(node);
  if (!origin) return unknown;
  let text = `Error detected in ${node.name()}. Traceback of forward call that caused the error:\n${frames(origin.call)}`;
  while (origin?.inducedBy) {
    const before: Node = origin.inducedBy;
    origin = origins.get(before);
    text += origin
      ? `\n\nPrevious calculation was induced by ${before.name()}. Traceback of forward call that induced the previous calculation:\n${frames(origin.call)}`
      : `\n\nPrevious calculation was induced by ${before.name()}. No forward pass information available.`;
  }
  return text;
}

/** Makes the account of a node the last cause of an error that running it has thrown. */
export function blame(node: Node, error: unknown): void {
  let last = error;
  while (last instanceof Error && last.cause !== undefined) last = last.cause;
  if (!(last instanceof Error) || told.has(last)) return;
  const cause = new AdjointError('autograd', account(node));
  // where it was made is of no interest
  cause.stack = `${cause.name}: ${cause.message}`;
  told.add(cause);
  Object.defineProperty(last, 'cause', { value: cause, configurable: true, writable: true });
}

/** The accounts that were given: an error that passes through several runs has one, of the innermost. */
const told = new WeakSet<Error>();

/** Throws if one of the gradients that a node has computed holds NaN. */
export function checkNan(node: Node, gradients: Gradients): void {
  for (const [k, gradient] of gradients.entries()) {
    if (gradient && !unrecorded(() => everywhere(gradient.eq(gradient))))
      throw new AdjointError('autograd', `Function '${node.name()}' returned nan values in its ${k}th output.`);
  }
}

function enter(call: string, enabled: boolean, options: boolean | AnomalyOptions): () => () => void {
  if (isOptions(options)) checkOptions(call, options, ['checkNan']);
  const check = typeof options === 'object' ? (options.checkNan ?? true) : options;
  for (const value of [enabled, check]) {
    if (typeof value !== 'boolean')
      throw new AdjointError('argument', `${call} takes true or false, got ${show(value)}`);
  }
  return () => {
    const before = { ...anomaly };
    Object.assign(anomaly, { enabled, checkNan: check });
    return () => Object.assign(anomaly, before);
  };
}

/**
 * For as long as `callback` runs, or until the returned guard is disposed of, backward looks for what is wrong (torch.autograd.detect_anomaly):
 * each node notes the calls that made it, and an error in a backward has as its last `cause` the name of the node and those calls. For a
 * node of a backward that was itself recorded, what that was the backward of is told as well. With `checkNan`, a node that computes
 * NaN is such an error. For debugging only: it makes every operator slower. Forward and backward both have to run inside of it.
 *
 * @param options `checkNan`, alone or by name
 * @throws while it is in force: `Function 'LogBackward0' returned nan values in its 0th output.`
 * @example detectAnomaly(() => f(x).backward());
 */
export function detectAnomaly<T>(callback: () => T): T;
export function detectAnomaly<T>(options: boolean | AnomalyOptions, callback: () => T): T;
export function detectAnomaly(options?: boolean | AnomalyOptions): Disposable;
export function detectAnomaly<T>(first: boolean | AnomalyOptions | (() => T) = true, second?: () => T): T | Disposable {
  const [options, callback] = typeof first === 'function' ? [true, first] : [first, second];
  return scoped(enter('detectAnomaly', true, options), callback);
}

/**
 * Switches the detection of anomalies on or off: for the callback if there is one; else from now on, until the returned guard is disposed of,
 * if it ever is (torch.autograd.set_detect_anomaly).
 */
export function setDetectAnomaly<T>(mode: boolean, callback: () => T): T;
export function setDetectAnomaly<T>(mode: boolean, options: boolean | AnomalyOptions, callback: () => T): T;
export function setDetectAnomaly(mode: boolean, options?: boolean | AnomalyOptions): Disposable;
export function setDetectAnomaly<T>(
  mode: boolean,
  first: boolean | AnomalyOptions | (() => T) = true,
  second?: () => T,
): T | Disposable {
  const [options, callback] = typeof first === 'function' ? [true, first] : [first, second];
  return scoped(enter('setDetectAnomaly', mode, options), callback);
}

/** Whether anomalies are being looked for (torch.is_anomaly_enabled). */
export const isAnomalyEnabled = (): boolean => anomaly.enabled;

/** Whether NaN in a gradient counts as one (torch.is_anomaly_check_nan_enabled). */
export const isAnomalyCheckNanEnabled = (): boolean => anomaly.checkNan;

/// <reference lib="esnext.disposable" preserve="true" />
import { mode } from '../core/mode.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError } from '../errors.ts';

export { mode };

// Older browsers lack Symbol.dispose; compilers that lower `using` look for this stand-in.
export const dispose: typeof Symbol.dispose = Symbol.dispose ?? (Symbol.for('Symbol.dispose') as typeof Symbol.dispose);

/**
 * Switches something for as long as `callback` runs and returns what it returns; without a callback, until the returned guard is
 * disposed of (`using guard = ...`).
 */
export function scoped<T>(enter: () => () => void, callback?: () => T): T | Disposable {
  const leave = enter();
  if (!callback) return { [dispose]: leave } as Disposable;
  try {
    const result = callback();
    if (result instanceof Promise) {
      result.catch(() => {}); // its own failure would hide this one
      throw new AdjointError(
        'argument',
        'an async callback cannot run in a mode: the mode ends when the callback returns, before what it awaits. ' +
          'Compute inside a synchronous callback, or await outside of it',
      );
    }
    return result;
  } finally {
    leave();
  }
}

const withGrad = (enabled: boolean) => () => {
  const before = mode.grad;
  mode.grad = enabled;
  return () => {
    mode.grad = before;
  };
};

/**
 * Runs `callback` without recording a graph and returns its result; without a callback, returns a guard for `using` (torch.no_grad).
 * @example const y = noGrad(() => x.mul(2));
 */
export function noGrad<T>(callback: () => T): T;
export function noGrad(): Disposable;
export function noGrad<T>(callback?: () => T): T | Disposable {
  return scoped(withGrad(false), callback);
}

/** Runs `callback` recording the graph again, inside noGrad; without a callback, returns a guard for `using` (torch.enable_grad). */
export function enableGrad<T>(callback: () => T): T;
export function enableGrad(): Disposable;
export function enableGrad<T>(callback?: () => T): T | Disposable {
  return scoped(withGrad(true), callback);
}

/**
 * Switches recording on or off: for the callback if there is one; else from now on, until the returned guard is disposed of, if it ever is
 * (torch.set_grad_enabled).
 */
export function setGradEnabled<T>(enabled: boolean, callback: () => T): T;
export function setGradEnabled(enabled: boolean): Disposable;
export function setGradEnabled<T>(enabled: boolean, callback?: () => T): T | Disposable {
  if (typeof enabled !== 'boolean')
    throw new AdjointError('argument', `setGradEnabled takes true or false, got ${enabled}`);
  return scoped(withGrad(enabled), callback);
}

/** Whether operators record the graph now (torch.is_grad_enabled). */
export const isGradEnabled = (): boolean => mode.grad;

/**
 * Like noGrad, for results that will never take part in a graph (torch.inference_mode). `inferenceMode(false)` leaves the mode and
 * records again, inside of it.
 */
export function inferenceMode<T>(callback: () => T): T;
export function inferenceMode(enabled?: boolean): Disposable;
export function inferenceMode<T>(enabled: boolean, callback: () => T): T;
export function inferenceMode<T>(first: boolean | (() => T) = true, second?: () => T): T | Disposable {
  const [enabled, callback] = typeof first === 'function' ? [true, first] : [first, second];
  return scoped(() => {
    const before = { ...mode };
    mode.inference = enabled;
    mode.grad = !enabled;
    return () => Object.assign(mode, before);
  }, callback);
}

/** Whether inference mode is on (torch.is_inference_mode_enabled). */
export const isInferenceModeEnabled = (): boolean => mode.inference;

/** Whether a tensor was made in inference mode: then it can be no part of a graph that needs its values (torch.is_inference). */
export const isInference = (x: Tensor): boolean => x.storage.inference;

/** @internal Runs without recording; for operators' own work. */
export function unrecorded<T>(work: () => T): T {
  const before = mode.grad;
  mode.grad = false;
  try {
    return work();
  } finally {
    mode.grad = before;
  }
}

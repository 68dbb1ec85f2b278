/** Forward mode: torch.autograd.forward_ad. */
import { checkOptions } from '../core/options.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { checkTangent, DualLevel } from './forward.ts';
import { enter, isOpen, leave } from './lift.ts';
import { scoped } from './modes.ts';

let opened: DualLevel | null = null;

/** The level that is open, unless a transform that it was opened in has ended without closing it. */
const current = (): DualLevel | null => (opened && isOpen(opened) ? opened : null);

/**
 * Opens the level at which `makeDual` lifts tensors, for as long as `callback` runs; without a callback, until the returned guard is
 * disposed of (torch.autograd.forward_ad.dual_level).
 * @throws if a level is open already
 */
export function dualLevel<T>(callback: () => T): T;
export function dualLevel(): Disposable;
export function dualLevel<T>(callback?: () => T): T | Disposable {
  return scoped(
    () => {
      openLevel();
      return closeLevel;
    },
    callback as () => T,
  );
}

function openLevel(): void {
  if (current()) {
    throw new AdjointError(
      'autograd',
      'Nested forward mode AD is not supported at the moment. If you are seeing this error, please nest func.jvp instead',
    );
  }
  const level = new DualLevel();
  enter(level);
  opened = level;
}

function closeLevel(): void {
  const level = current();
  if (!level) throw new AdjointError('autograd', 'Trying to exit a dual level but no level exists');
  leave(level);
  opened = null;
}

/**
 * Opens the level at which `makeDual` lifts tensors, until `exitDualLevel` (torch.autograd.forward_ad.enter_dual_level). `dualLevel` closes it
 * of itself.
 * @returns its number, which is 0: there is one at most
 * @throws if a level is open already
 */
export function enterDualLevel(): number {
  openLevel();
  return 0;
}

/** Which level is meant: the one that is open, 0, in any case. */
export interface LevelOptions {
  readonly level?: number | null;
}

function checkLevel(call: string, options: LevelOptions): void {
  checkOptions(call, options, ['level']);
  if ((options.level ?? 0) === 0) return;
  throw new AdjointError('argument', `${call}: there is one level at most: expected 0, got ${show(options.level)}`);
}

/**
 * Closes the level that `enterDualLevel` has opened (torch.autograd.forward_ad.exit_dual_level). What was dual there is an ordinary tensor again.
 * @param options the number of the level, which can only be the last one opened
 * @throws if there is no such level
 */
export function exitDualLevel(options: LevelOptions = {}): void {
  checkLevel('exitDualLevel', options);
  closeLevel();
}

/**
 * A tensor of value `tensor` whose derivative is `tangent`, of the same shape and dtype (torch.autograd.forward_ad.make_dual).
 * @throws outside of a dual level, or if the tangent does not fit
 */
export function makeDual(tensor: Tensor, tangent: Tensor, options: LevelOptions = {}): Tensor {
  checkLevel('makeDual', options);
  const level = current();
  if (!level) {
    throw new AdjointError(
      'autograd',
      'Trying to create a dual Tensor for forward AD but no level exists, make sure to open a dualLevel() first (or enterDualLevel()).',
    );
  }
  checkTangent(tensor, tangent);
  if (level.lower(tensor).tangent) {
    throw new AdjointError(
      'autograd',
      'Making a dual Tensor based on a Tensor that already has a forward gradient at the same level is not supported',
    );
  }
  if (level.lower(tangent).tangent) {
    throw new AdjointError(
      'autograd',
      'Setting a forward grad that itself has a forward gradient at the same level is not supported',
    );
  }
  return level.lift(tensor, tangent);
}

/** What a dual tensor consists of. */
export interface UnpackedDualTensor {
  primal: Tensor;
  tangent: Tensor | null;
}

/** The value of a tensor and its tangent, null if it has none (torch.autograd.forward_ad.unpack_dual). */
export function unpackDual(tensor: Tensor, options: LevelOptions = {}): UnpackedDualTensor {
  checkLevel('unpackDual', options);
  if (!(tensor instanceof Tensor))
    throw new AdjointError('argument', `unpackDual: expected a Tensor, got ${show(tensor)}`);
  return current()?.unpack(tensor) ?? { primal: tensor, tangent: null };
}

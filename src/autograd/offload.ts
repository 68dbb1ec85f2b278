import { fromElements } from '../core/creation.ts';
import type { DType } from '../core/dtype.ts';
import { checkOptions } from '../core/options.ts';
import type { Shape } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import type { TypedArray } from '../kernels/element.ts';
import { savedTensorsHooks } from './saved.ts';

/** What programs written for other devices say; nothing follows from it here. */
export interface SaveOnCpuOptions {
  readonly pinMemory?: boolean;
  readonly deviceType?: string;
}

interface Copy {
  readonly version: number;
  readonly elements: TypedArray;
  readonly shape: Shape;
  readonly dtype: DType;
}

/**
 * While it is in force, what operators save for backward is kept as typed arrays on the JavaScript heap, and copied back into tensors when
 * the backward needs it (torch.autograd.graph.save_on_cpu). That leaves room in the linear memory that tensors live in, which holds 4 GiB
 * at most, for twice the copying. A tensor that is saved several times is copied once.
 * @example const loss = saveOnCpu(() => model.forward(x).sum());
 */
export function saveOnCpu<T>(callback: () => T): T;
export function saveOnCpu<T>(options: SaveOnCpuOptions, callback: () => T): T;
export function saveOnCpu(options?: SaveOnCpuOptions): Disposable;
export function saveOnCpu<T>(first?: SaveOnCpuOptions | (() => T), second?: () => T): T | Disposable {
  const [options, callback] = typeof first === 'function' ? [{}, first] : [first ?? {}, second];
  checkOptions('saveOnCpu', options, ['pinMemory', 'deviceType']);
  const copies = new WeakMap<Tensor, Copy>();
  const pack = (tensor: Tensor): Copy => {
    const before = copies.get(tensor);
    if (before?.version === tensor._version) return before;
    const { _version: version, shape, dtype } = tensor;
    const copy = { version, elements: tensor.toTypedArray(), shape, dtype };
    copies.set(tensor, copy);
    return copy;
  };
  const unpack = ({ elements, shape, dtype }: Copy): Tensor => fromElements(elements, shape, dtype);
  return callback ? savedTensorsHooks(pack, unpack, callback) : savedTensorsHooks(pack, unpack);
}

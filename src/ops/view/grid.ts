/** Grids of points from coordinates along axes. */
import { filled, fromElements } from '../../core/creation.ts';
import { listOf, type SomeTensors } from '../../core/listed.ts';
import { named } from '../../core/named.ts';
import { checkOptions, isOptions } from '../../core/options.ts';
import { checkSize, showShape } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { AdjointError, show } from '../../errors.ts';
import { stack } from './join.ts';
import { expand, ravel, view } from './view.ts';

/** How `meshgrid` lays out the axes. */
export interface MeshgridOptions {
  /** 'ij' (the default): the first axis goes down the rows; 'xy': it goes along the columns, as in plots. */
  indexing?: 'ij' | 'xy';
}

/**
 * The coordinates of all points of a grid: for each axis a view of its coordinates, expanded along the other axes (torch.meshgrid).
 * @param args the coordinates along each axis, one by one or in one array: vectors, or tensors without dimensions; then options
 */
export function meshgrid(
  ...args:
    | SomeTensors
    | [...axes: Tensor[], options: MeshgridOptions]
    | [axes: readonly Tensor[], options: MeshgridOptions]
): Tensor[] {
  const last: unknown = args[args.length - 1];
  const options: MeshgridOptions = isOptions(last) ? last : {};
  checkOptions('meshgrid', options, ['indexing']);
  const { indexing = 'ij' } = options;
  if (indexing !== 'ij' && indexing !== 'xy') {
    throw new AdjointError(
      'argument',
      `meshgrid: indexing must be one of "xy" or "ij", but received: ${show(indexing)}`,
    );
  }
  const axes = listOf('meshgrid', (last === options ? args.slice(0, -1) : args) as SomeTensors);
  if (axes.length === 0) throw new AdjointError('argument', 'meshgrid expects a non-empty TensorList');
  for (const axis of axes) {
    if (axis.ndim > 1)
      throw new AdjointError(
        'shape',
        `meshgrid: Expected 0D or 1D tensor in the tensor list but got: shape ${showShape(axis.shape)}`,
      );
    if (axis.dtype !== axes[0].dtype)
      throw new AdjointError(
        'dtype',
        `meshgrid expects all tensors to have the same dtype, got ${axes[0].dtype} and ${axis.dtype}`,
      );
  }
  const places = axes.map((_, k) => (indexing === 'xy' && axes.length > 1 && k < 2 ? 1 - k : k));
  const shape = places.map((place) => axes[place].numel());
  return axes.map((axis, k) =>
    expand(
      view(
        axis,
        shape.map((_, d) => (d === places[k] ? -1 : 1)),
      ),
      shape,
    ),
  );
}

const checkVector = (x: Tensor): void => {
  if (x.ndim !== 1) throw new AdjointError('shape', `Expect a 1D vector, but got shape ${showShape(x.shape)}`);
};

/** Every choice of one element from each vector, as the rows of a matrix; of one vector, itself (torch.cartesian_prod). */
export function cartesianProd(...tensors: SomeTensors): Tensor {
  const vectors = listOf('cartesianProd', tensors);
  vectors.forEach(checkVector);
  if (vectors.length === 1) return vectors[0];
  return stack(meshgrid(vectors).map(ravel), 1);
}

/** Every choice of `r` elements of a vector in their order, as the rows of a matrix (torch.combinations). */
export const combinations = named(
  'combinations',
  ['r', 'withReplacement'],
  (x: Tensor, r: number = 2, withReplacement: boolean = false) => {
    checkVector(x);
    if (checkSize(r, 'combinations: r') === 0) return filled([0], 0, x.dtype);
    let rows: number[][] = [[]];
    for (let k = 0; k < r; k++) {
      rows = rows.flatMap((row) => {
        const start = k === 0 ? 0 : row[k - 1] + (withReplacement ? 0 : 1);
        return Array.from({ length: Math.max(0, x.shape[0] - start) }, (_, i) => [...row, start + i]);
      });
    }
    return x.index(fromElements(BigInt64Array.from(rows.flat(), BigInt), [rows.length, r], 'int64'));
  },
);

/** Makes the operators methods of Tensor, in types and at run time. */
import { Tensor } from '../core/tensor.ts';
import { hardshrink, prelu } from './activation.ts';
import * as addedProduct from './added-product.ts';
import * as comparison from './comparison.ts';
import * as copy from './copy.ts';
import * as extremum from './extremum.ts';
import * as gatherScatter from './gather-scatter.ts';
import * as indexing from './indexing.ts';
import * as indexingInplace from './indexing-inplace.ts';
import * as inplace from './inplace.ts';
import * as inplaceView from './inplace-view.ts';
import * as linalg from './linalg.ts';
import * as median from './median.ts';
import type { Methods } from './named.ts';
import * as pointwise from './pointwise.ts';
import * as random from './random.ts';
import * as rearrange from './rearrange.ts';
import * as reduction from './reduction.ts';
import * as scan from './scan.ts';
import * as softmax from './softmax.ts';
import * as sorting from './sorting.ts';
import { varianceMethods } from './variance.ts';
import * as view from './view.ts';
import { whereMethod } from './where.ts';

/** The few activations that are methods. */
const activation = { hardshrink, prelu };

const families = {
  activation,
  addedProduct,
  comparison,
  copy,
  extremum,
  gatherScatter,
  indexing,
  indexingInplace,
  inplace,
  inplaceView,
  linalg,
  median,
  pointwise,
  random,
  rearrange,
  reduction,
  scan,
  softmax,
  sorting,
  varianceMethods,
  view,
  whereMethod,
};

type Families = typeof activation &
  typeof addedProduct &
  typeof comparison &
  typeof copy &
  typeof extremum &
  typeof gatherScatter &
  typeof indexing &
  typeof indexingInplace &
  typeof inplace &
  typeof inplaceView &
  typeof linalg &
  typeof median &
  typeof pointwise &
  typeof random &
  typeof rearrange &
  typeof reduction &
  typeof scan &
  typeof softmax &
  typeof sorting &
  typeof varianceMethods &
  typeof view &
  typeof whereMethod;

declare module '../core/tensor.ts' {
  interface Tensor extends Methods<Families> {}
}

type Operator = (x: Tensor, ...args: unknown[]) => unknown;

/** Called once by the package's entry. */
export function installMethods(): void {
  for (const family of Object.values(families)) {
    for (const [name, operator] of Object.entries(family as Record<string, Operator>)) {
      Object.defineProperty(Tensor.prototype, name, {
        value(this: Tensor, ...args: unknown[]) {
          return operator(this, ...args);
        },
        writable: true,
        configurable: true,
      });
    }
  }
}

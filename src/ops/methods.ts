/** Makes the operators methods of Tensor, in types and at run time. */

import type { Methods } from '../core/named.ts';
import { Tensor } from '../core/tensor.ts';
import { hardshrink, prelu } from './functional/activation.ts';
import * as gatherScatter from './indexing/gather-scatter.ts';
import * as indexing from './indexing/indexing.ts';
import * as indexingInplace from './indexing/indexing-inplace.ts';
import * as sorting from './indexing/sorting.ts';
import * as addedProduct from './linalg/added-product.ts';
import * as linalg from './linalg/linalg.ts';
import { accumulation } from './pointwise/accumulation.ts';
import * as comparison from './pointwise/comparison.ts';
import * as inplace from './pointwise/inplace.ts';
import * as pointwise from './pointwise/pointwise.ts';
import { whereMethod } from './pointwise/where.ts';
import * as random from './random/random.ts';
import * as extremum from './reduction/extremum.ts';
import * as median from './reduction/median.ts';
import * as reduction from './reduction/reduction.ts';
import * as scan from './reduction/scan.ts';
import { logSoftmax, softmax } from './reduction/softmax.ts';
import { varianceMethods } from './reduction/variance.ts';
import * as copy from './view/copy.ts';
import * as inplaceView from './view/inplace-view.ts';
import * as rearrange from './view/rearrange.ts';
import * as view from './view/view.ts';

/** The few activations that are methods. */
const activation = { hardshrink, prelu };
/** Its module has more than operators. */
const softmaxes = { logSoftmax, softmax };

const families = {
  accumulation,
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
  softmaxes,
  sorting,
  varianceMethods,
  view,
  whereMethod,
};

/** All at once: the type of what is in each family, the union of the families turned into their intersection. */
type Taken<Family> = Family extends unknown ? (family: Family) => void : never;
type Families = Taken<(typeof families)[keyof typeof families]> extends (all: infer All) => void ? All : never;

declare module '../core/tensor.ts' {
  interface Tensor extends Methods<Families> {}
}

type Operator = (x: Tensor, ...args: unknown[]) => unknown;

// by number, as a call with a list takes several times as long
const asMethod = (operator: Operator) =>
  function (this: Tensor, a?: unknown, b?: unknown, ...rest: unknown[]): unknown {
    // biome-ignore lint/complexity/noArguments: how many there are is part of the call
    switch (arguments.length) {
      case 0:
        return operator(this);
      case 1:
        return operator(this, a);
      case 2:
        return operator(this, a, b);
      default:
        return operator(this, a, b, ...rest);
    }
  };

/** Called once by the package's entry. */
export function installMethods(): void {
  for (const family of Object.values(families)) {
    for (const [name, operator] of Object.entries(family as Record<string, Operator>)) {
      Object.defineProperty(Tensor.prototype, name, {
        value: asMethod(operator),
        writable: true,
        configurable: true,
      });
    }
  }
}

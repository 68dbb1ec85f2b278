/** Gradients of operators against finite differences, at PyTorch's samples. */
import { autograd, manualSeed, Tensor } from '../../src/index.ts';
import type { Call } from './names.ts';
import { notBatched } from './required.ts';
import { type Case, decode, type Operator, tensorsOf } from './samples.ts';

/** Throws unless gradcheck and gradgradcheck pass, in reverse and in forward mode, one by one and in batches. */
export function checkDifferences({ op, random }: Operator, call: Call, sample: Case): void {
  const leaves: Tensor[] = [];
  const args = sample.args.map((arg) => decode(arg, leaves));
  const kwargs = Object.entries(sample.kwargs).map(([key, value]) => [key, decode(value, leaves)] as const);
  const inPlace = op.endsWith('_') && !op.endsWith('__');
  const f = (...inputs: Tensor[]): Tensor[] => {
    const replaced = (x: unknown): unknown => {
      if (Array.isArray(x)) return x.map(replaced);
      return x instanceof Tensor && leaves.includes(x) ? inputs[leaves.indexOf(x)] : x;
    };
    if (random) manualSeed(0);
    const [first, ...rest] = args.map(replaced);
    // an operator in place may not write to a leaf
    const fed = inPlace ? (first as Tensor).clone() : first;
    return tensorsOf(call([fed, ...rest], Object.fromEntries(kwargs.map(([key, value]) => [key, replaced(value)]))));
  };
  const options = { fastMode: true, checkBatchedGrad: true };
  const checkBatchedForwardGrad = !random && !(op in notBatched);
  autograd.gradcheck(f, leaves, { ...options, checkForwardAd: true, checkBatchedForwardGrad });
  autograd.gradgradcheck(f, leaves, { ...options, checkFwdOverRev: true });
}

import { leadsTo } from '../autograd/memory-scope.ts';
import { enableGrad, noGrad } from '../autograd/modes.ts';
import { isFloatingPoint } from '../core/dtype.ts';
import { checkOptions, isOptions } from '../core/options.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { zeroGradients } from './zero-gradients.ts';

/** Parameters that are updated alike, and how. */
export type ParamGroup<Options> = Options & { params: Tensor[] };

/** The same as an optimizer is given it: options that are left out are the optimizer's. */
export type ParamGroupOptions<Options> = Partial<Options> & { params: Tensor | Iterable<Tensor> };

/** What an optimizer is to update: parameters, or groups of them with options of their own. */
export type OptimizerParams<Options> = Iterable<Tensor> | Iterable<ParamGroupOptions<Options>>;

/** What `stateDict` gives: the state of each parameter under its number, and the groups with numbers in place of parameters. */
export interface OptimizerState<Options, State> {
  state: Record<number, State>;
  paramGroups: (Options & { params: number[] })[];
}

/**
 * Updates parameters by their gradients (torch.optim.Optimizer). A subclass says how in `update`; what it keeps for each parameter is in
 * `state`.
 */
export abstract class Optimizer<Options extends object, State extends object> {
  readonly paramGroups: ParamGroup<Options>[] = [];
  readonly state = new Map<Tensor, State>();
  readonly defaults: Options;

  constructor(params: OptimizerParams<Options>, defaults: Options) {
    this.defaults = defaults;
    const given = listed(params, 'params argument given to the optimizer');
    if (given.length === 0) throw new AdjointError('argument', 'optimizer got an empty parameter list');
    const grouped = given.every((entry) => isOptions(entry));
    for (const group of grouped ? given : [{ params: given }]) this.addParamGroup(group as ParamGroupOptions<Options>);
  }

  /** Throws if an option is out of its range. */
  protected abstract check(options: Options): void;

  /** Changes one parameter in place; called unrecorded. */
  protected abstract update(parameter: Tensor, gradient: Tensor, group: ParamGroup<Options>): void;

  /**
   * Adds parameters with options of their own: to unfreeze a layer in the midst of training, say (torch.optim.Optimizer.add_param_group).
   * @throws if a parameter is no leaf or already among those of this optimizer
   */
  addParamGroup(group: ParamGroupOptions<Options>): void {
    const name = this.constructor.name;
    checkOptions(`${name}: parameter group`, group, ['params', ...Object.keys(this.defaults)]);
    const params = group.params instanceof Tensor ? [group.params] : listed(group.params, `${name}: params of a group`);
    const known = new Set(this.paramGroups.flatMap((other) => other.params));
    for (const parameter of params) {
      if (!(parameter instanceof Tensor)) {
        throw new AdjointError(
          'argument',
          `optimizer can only optimize Tensors, but one of the params is ${show(parameter)}`,
        );
      }
      if (!parameter.isLeaf && !parameter.retainsGrad) {
        throw new AdjointError(
          'autograd',
          "can't optimize a non-leaf Tensor: give the parameters it was computed from",
        );
      }
      if (known.has(parameter)) {
        throw new AdjointError('argument', 'some parameters appear in more than one parameter group, or twice in one');
      }
      known.add(parameter);
    }
    const complete = { ...this.defaults, ...withoutUndefined(group), params: params as Tensor[] };
    this.check(complete);
    this.paramGroups.push(complete);
  }

  /** Clears the gradients of all parameters, by setting them to null or else to zeros (torch.optim.Optimizer.zero_grad). */
  zeroGrad(setToNone: boolean | { setToNone?: boolean } = true): void {
    for (const { params } of this.paramGroups) zeroGradients(params, setToNone);
  }

  /**
   * Updates every parameter that has a gradient (torch.optim.Optimizer.step).
   * @param closure computes the loss and its gradients first; its result is returned
   */
  step(): null;
  step<T>(closure: () => T): T;
  step<T>(closure?: () => T): T | null {
    const loss = closure ? enableGrad(closure) : null;
    noGrad(() => {
      for (const group of this.paramGroups) {
        for (const parameter of group.params) {
          if (!parameter.grad) continue;
          this.update(parameter, parameter.grad, group);
          leadsTo(parameter.storage, this);
        }
      }
    });
    return loss;
  }

  /**
   * The state and the options, with parameters as numbers in the order in which they were given (torch.optim.Optimizer.state_dict). The
   * tensors are the optimizer's own: clone them to keep what they hold now.
   */
  stateDict(): OptimizerState<Options, State> {
    const numbers = new Map(this.paramGroups.flatMap((group) => group.params).map((parameter, i) => [parameter, i]));
    const number = (parameter: Tensor): number => numbers.get(parameter) as number;
    const state: Record<number, State> = {};
    for (const [parameter, own] of this.state) state[number(parameter)] = { ...own };
    return { state, paramGroups: this.paramGroups.map((group) => ({ ...group, params: group.params.map(number) })) };
  }

  /**
   * Takes over a copy of a state dict (torch.optim.Optimizer.load_state_dict).
   * @throws if its groups are not as many, or not as large, as those of this optimizer
   */
  loadStateDict(saved: OptimizerState<Options, State>): void {
    const { state, paramGroups } = saved;
    if (paramGroups.length !== this.paramGroups.length) {
      throw new AdjointError(
        'argument',
        `loaded state dict has a different number of parameter groups: ${paramGroups.length}, not ${this.paramGroups.length}`,
      );
    }
    paramGroups.forEach((group, k) => {
      const wanted = this.paramGroups[k].params.length;
      if (group.params.length !== wanted) {
        throw new AdjointError(
          'argument',
          `loaded state dict contains a parameter group that doesn't match the size of optimizer's group: ${group.params.length}, not ${wanted} in group ${k}`,
        );
      }
      this.check(group);
    });
    this.state.clear();
    paramGroups.forEach((group, k) => {
      const own = this.paramGroups[k];
      const { params } = own;
      Object.assign(own, group, { params });
      group.params.forEach((number, i) => {
        if (Object.hasOwn(state, number)) this.state.set(params[i], copied(state[number], params[i]));
      });
    });
  }

  /** The groups and their options. */
  toString(): string {
    const groups = this.paramGroups.map((group, k) => {
      const options = Object.entries(group).filter(([name]) => name !== 'params');
      return [`Parameter Group ${k}`, ...options.map(([name, value]) => `    ${name}: ${show(value)}`)].join('\n');
    });
    return `${this.constructor.name} (\n${groups.join('\n\n')}\n)`;
  }

  /** What `console.log` shows in Node. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** The elements of an iterable that is no tensor. */
function listed(value: unknown, what: string): unknown[] {
  if (value instanceof Tensor || typeof (value as Iterable<unknown> | null)?.[Symbol.iterator] !== 'function') {
    throw new AdjointError(
      'argument',
      `${what} should be an iterable of Tensors or of objects { params, ... }, but got ${show(value)}`,
    );
  }
  return [...(value as Iterable<unknown>)];
}

const withoutUndefined = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;

/** The state of a parameter with its tensors copied, floating ones in the dtype of the parameter. */
function copied<State extends object>(state: State, parameter: Tensor): State {
  const entries = Object.entries(state).map(([name, value]): [string, unknown] => {
    if (!(value instanceof Tensor)) return [name, value];
    return [
      name,
      value.detach().to({ dtype: isFloatingPoint(value.dtype) ? parameter.dtype : value.dtype, copy: true }),
    ];
  });
  return Object.fromEntries(entries) as State;
}

/** Throws PyTorch's complaint unless `valid`. */
export function checkOption(valid: boolean, complaint: string, value: unknown): void {
  if (!valid) throw new AdjointError('argument', `${complaint}: ${show(value)}`);
}

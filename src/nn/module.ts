/** What all modules have in common: they find their parameters, buffers and children among their own fields. */

import { type RemovableHandle, removable } from '../autograd/hooks.ts';
import { noGrad } from '../autograd/modes.ts';
import { checkDType, type DType, isFloatingPoint } from '../core/dtype.ts';
import { sameShape, showShape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { zeroGradients } from '../optim/zero-gradients.ts';
import { Parameter } from './parameter.ts';

/** Parameters and buffers by name, as `stateDict` gives and `loadStateDict` takes them. */
export type StateDict = Record<string, Tensor>;

/** Sees a module's arguments before its forward; an array that it returns takes their place. */
export type ForwardPreHook = (module: Module, args: readonly unknown[]) => readonly unknown[] | void;
/** Sees a module's arguments and result; what it returns, unless undefined, takes the place of the result. */
export type ForwardHook = (module: Module, args: readonly unknown[], output: unknown) => unknown;

interface ForwardHooks {
  readonly before: Set<{ hook: ForwardPreHook }>;
  readonly after: Set<{ hook: ForwardHook }>;
}

/**
 * A part of a network, with what it learns (torch.nn.Module). A subclass makes its parts fields and computes in `forward`, which its users
 * call:
 *
 * @example
 * class Net extends nn.Module {
 *   hidden = new nn.Linear(784, 128);
 *   output = new nn.Linear(128, 10);
 *   forward(x: Tensor): Tensor {
 *     return this.output.forward(this.hidden.forward(x).relu());
 *   }
 * }
 *
 * Fields that hold a `Parameter` or a `Module` are this module's parameters and children, in the order in which they were assigned; of
 * lists of modules make a `ModuleList`. A tensor that is state but is not learnt is a buffer once `registerBuffer` names it.
 */
export abstract class Module {
  /** Whether the module is in training mode, on which Dropout and its like depend; set by `train` and `eval`. */
  training = true;
  /** The names of the fields that are buffers, and whether they are part of the state dict. */
  readonly #buffers = new Map<string, boolean>();
  #hooks: ForwardHooks | null = null;

  /** Computes the module's result. */
  abstract forward(...args: never[]): unknown;

  /** Gives the module a parameter as a field, or the place for one that it does not have (torch.nn.Module.register_parameter). */
  registerParameter(name: string, parameter: Parameter | null): void {
    if (parameter !== null && !(parameter instanceof Parameter)) {
      throw new AdjointError(
        'argument',
        `cannot assign ${show(parameter)} object to parameter '${name}' (nn.Parameter or null required)`,
      );
    }
    this.#setField(name, parameter);
  }

  /**
   * Gives the module a field that is part of its state but not learnt, as a running mean (torch.nn.Module.register_buffer).
   * @param persistent whether it is in the state dict
   */
  registerBuffer(name: string, tensor: Tensor | null, persistent: boolean | { persistent?: boolean } = true): void {
    if (tensor !== null && !(tensor instanceof Tensor)) {
      throw new AdjointError(
        'argument',
        `cannot assign ${show(tensor)} object to buffer '${name}' (Tensor or null required)`,
      );
    }
    this.#setField(name, tensor);
    this.#buffers.set(name, typeof persistent === 'boolean' ? persistent : (persistent.persistent ?? true));
  }

  /** Gives the module a child as a field (torch.nn.Module.register_module). */
  registerModule(name: string, module: Module | null): void {
    if (module !== null && !(module instanceof Module)) {
      throw new AdjointError('argument', `${show(module)} is not a Module subclass`);
    }
    this.#setField(name, module);
  }

  #setField(name: string, value: unknown): void {
    if (typeof name !== 'string' || name === '' || name.includes('.')) {
      throw new AdjointError(
        'argument',
        `the name of a field must be a string that is not empty and has no ".", got ${show(name)}`,
      );
    }
    if (name in this && !this.#isMember(name)) throw new AdjointError('argument', `attribute '${name}' already exists`);
    (this as Record<string, unknown>)[name] = value;
  }

  /** Whether a field is one that registration may replace. */
  #isMember(name: string): boolean {
    const value: unknown = (this as Record<string, unknown>)[name];
    return Object.hasOwn(this, name) && (value == null || value instanceof Module || value instanceof Tensor);
  }

  /** The fields that hold modules, also the same one more than once. */
  protected ownModules(): [name: string, module: Module][] {
    return Object.entries(this).filter((entry): entry is [string, Module] => entry[1] instanceof Module);
  }

  /** The children by name, each once (torch.nn.Module.named_children). */
  namedChildren(): [name: string, child: Module][] {
    return unique(this.ownModules());
  }

  /** The children (torch.nn.Module.children). */
  children(): Module[] {
    return this.namedChildren().map(([, child]) => child);
  }

  /** This module and all below it, each once, by path; this one is called '' (torch.nn.Module.named_modules). */
  namedModules(prefix = ''): [path: string, module: Module][] {
    const found: [string, Module][] = [];
    const seen = new Set<Module>();
    const visit = (module: Module, path: string): void => {
      if (seen.has(module)) return;
      seen.add(module);
      found.push([path, module]);
      for (const [name, child] of module.namedChildren()) visit(child, join(path, name));
    };
    visit(this, prefix);
    return found;
  }

  /** This module and all below it, each once (torch.nn.Module.modules). */
  modules(): Module[] {
    return this.namedModules().map(([, module]) => module);
  }

  /** The parameters by path, each once (torch.nn.Module.named_parameters). @param recurse whether to look into the children */
  namedParameters(prefix = '', recurse = true): [path: string, parameter: Parameter][] {
    return unique(this.#members(prefix, recurse, (module) => module.#ownParameters()));
  }

  /** The parameters, each once, as optimizers take them (torch.nn.Module.parameters). */
  parameters(recurse = true): Parameter[] {
    return this.namedParameters('', recurse).map(([, parameter]) => parameter);
  }

  /** The buffers by path, each once (torch.nn.Module.named_buffers). */
  namedBuffers(prefix = '', recurse = true): [path: string, buffer: Tensor][] {
    return unique(this.#members(prefix, recurse, (module) => module.#ownBuffers()));
  }

  /** The buffers, each once (torch.nn.Module.buffers). */
  buffers(recurse = true): Tensor[] {
    return this.namedBuffers('', recurse).map(([, buffer]) => buffer);
  }

  #ownParameters(): [string, Parameter][] {
    return Object.entries(this).filter((entry): entry is [string, Parameter] => entry[1] instanceof Parameter);
  }

  #ownBuffers(persistentOnly = false): [string, Tensor][] {
    return Object.entries(this).filter(
      (entry): entry is [string, Tensor] =>
        entry[1] instanceof Tensor &&
        this.#buffers.has(entry[0]) &&
        (!persistentOnly || this.#buffers.get(entry[0]) === true),
    );
  }

  #members<T>(prefix: string, recurse: boolean, own: (module: Module) => [string, T][]): [string, T][] {
    const modules: [string, Module][] = recurse ? this.namedModules(prefix) : [[prefix, this]];
    return modules.flatMap(([path, module]) =>
      own(module).map(([name, value]): [string, T] => [join(path, name), value]),
    );
  }

  /** The module at a path as 'encoder.layers.0' (torch.nn.Module.get_submodule). @throws if there is none */
  getSubmodule(path: string): Module {
    let module: Module = this;
    for (const name of path === '' ? [] : path.split('.')) {
      const child = module.ownModules().find(([own]) => own === name)?.[1];
      if (!child)
        throw new AdjointError(
          'argument',
          `${module.#name()} has no attribute \`${name}\` that is a Module, in ${show(path)}`,
        );
      module = child;
    }
    return module;
  }

  /** The parameter at a path as 'hidden.weight' (torch.nn.Module.get_parameter). @throws if there is none */
  getParameter(path: string): Parameter {
    return this.#memberAt(path, 'parameter', (module) => module.#ownParameters());
  }

  /** The buffer at a path (torch.nn.Module.get_buffer). @throws if there is none */
  getBuffer(path: string): Tensor {
    return this.#memberAt(path, 'buffer', (module) => module.#ownBuffers());
  }

  #memberAt<T>(path: string, kind: string, own: (module: Module) => [string, T][]): T {
    const dot = path.lastIndexOf('.');
    const module = this.getSubmodule(path.slice(0, Math.max(dot, 0)));
    const name = path.slice(dot + 1);
    const found = own(module).find(([key]) => key === name);
    if (!found) throw new AdjointError('argument', `${module.#name()} has no ${kind} \`${name}\``);
    return found[1];
  }

  /** Calls `f` with every module below this one and then this (torch.nn.Module.apply): for initialisation, say. */
  apply(f: (module: Module) => void): this {
    for (const child of this.children()) child.apply(f);
    f(this);
    return this;
  }

  /** Sets training mode for this module and all below it (torch.nn.Module.train). */
  train(mode = true): this {
    if (typeof mode !== 'boolean')
      throw new AdjointError('argument', `training mode is expected to be boolean, got ${show(mode)}`);
    for (const module of this.modules()) module.training = mode;
    return this;
  }

  /** Sets evaluation mode: `train(false)` (torch.nn.Module.eval). */
  eval(): this {
    return this.train(false);
  }

  /** Sets whether the parameters require grad: to freeze a module, say (torch.nn.Module.requires_grad_). */
  requiresGrad_(requiresGrad = true): this {
    for (const parameter of this.parameters()) parameter.requiresGrad_(requiresGrad);
    return this;
  }

  /** Clears the gradients of the parameters, by setting them to null or else to zeros (torch.nn.Module.zero_grad). */
  zeroGrad(setToNone: boolean | { setToNone?: boolean } = true): void {
    zeroGradients(this.parameters(), setToNone);
  }

  /** Converts the floating parameters and buffers to another floating dtype, in place (torch.nn.Module.to). */
  to(dtype: DType | { dtype?: DType; device?: 'cpu' }): this {
    const wanted = typeof dtype === 'object' ? dtype.dtype : dtype;
    if (wanted === undefined) return this;
    if (!isFloatingPoint(checkDType(wanted))) {
      throw new AdjointError(
        'dtype',
        `nn.Module.to only accepts floating point dtypes, but got desired dtype=${wanted}`,
      );
    }
    for (const tensor of [...this.parameters(), ...this.buffers()]) {
      if (!isFloatingPoint(tensor.dtype)) continue;
      const { grad } = tensor;
      tensor.grad = null;
      tensor.data = tensor.data.to(wanted);
      tensor.grad = grad?.detach().to(wanted) ?? null;
    }
    return this;
  }

  /** Converts the floating parameters and buffers to float32 (torch.nn.Module.float). */
  float(): this {
    return this.to('float32');
  }

  /** Converts the floating parameters and buffers to float64 (torch.nn.Module.double). */
  double(): this {
    return this.to('float64');
  }

  /**
   * The parameters and persistent buffers by path, under the names that PyTorch gives them (torch.nn.Module.state_dict). The tensors
   * share the module's memory: clone them to keep what they hold now.
   */
  stateDict(prefix = ''): StateDict {
    const state: StateDict = {};
    for (const [name, tensor] of this.#state()) state[`${prefix}${name}`] = tensor.detach();
    return state;
  }

  #state(prefix = ''): [string, Tensor][] {
    return [
      ...[...this.#ownParameters(), ...this.#ownBuffers(true)].map(([name, t]): [string, Tensor] => [
        join(prefix, name),
        t,
      ]),
      ...this.ownModules().flatMap(([name, child]) => child.#state(join(prefix, name))),
    ];
  }

  /**
   * Copies a state dict into the parameters and buffers (torch.nn.Module.load_state_dict).
   * @param strict whether the keys must be exactly those of `stateDict()`
   * @returns the keys that were missing and those that were not expected
   * @throws if keys differ, and `strict`, or if a shape does; nothing has been copied then
   */
  loadStateDict(
    state: Readonly<StateDict>,
    strict: boolean | { strict?: boolean } = true,
  ): { missingKeys: string[]; unexpectedKeys: string[] } {
    const own = new Map(this.#state());
    const missingKeys = [...own.keys()].filter((key) => !Object.hasOwn(state, key));
    const unexpectedKeys = Object.keys(state).filter((key) => !own.has(key));
    const exact = typeof strict === 'boolean' ? strict : (strict.strict ?? true);
    const errors: string[] = [];
    const list = (keys: string[]): string => keys.map((key) => `"${key}"`).join(', ');
    if (exact && missingKeys.length > 0) errors.push(`Missing key(s) in state_dict: ${list(missingKeys)}. `);
    if (exact && unexpectedKeys.length > 0) errors.push(`Unexpected key(s) in state_dict: ${list(unexpectedKeys)}. `);
    const copies = [...own].filter(([key]) => Object.hasOwn(state, key));
    for (const [key, tensor] of copies) {
      const source: unknown = state[key];
      if (!(source instanceof Tensor)) errors.push(`expected a Tensor for "${key}", got ${show(source)}.`);
      else if (!sameShape(source.shape, tensor.shape)) {
        errors.push(
          `size mismatch for ${key}: copying a param with shape ${showShape(source.shape)} from checkpoint, ` +
            `the shape in current model is ${showShape(tensor.shape)}.`,
        );
      }
    }
    if (errors.length > 0) {
      throw new AdjointError('shape', `Error(s) in loading state_dict for ${this.#name()}:\n\t${errors.join('\n\t')}`);
    }
    noGrad(() => {
      for (const [key, tensor] of copies) tensor.copy_(state[key]);
    });
    return { missingKeys, unexpectedKeys };
  }

  /**
   * Calls `hook` before every `forward` of this module, with its arguments; an array that it returns takes their place
   * (torch.nn.Module.register_forward_pre_hook).
   */
  registerForwardPreHook(hook: ForwardPreHook): RemovableHandle {
    return add(this.#hooked().before, { hook });
  }

  /**
   * Calls `hook` after every `forward` of this module, with its arguments and result; what it returns, unless that is undefined, takes
   * the place of the result (torch.nn.Module.register_forward_hook).
   */
  registerForwardHook(hook: ForwardHook): RemovableHandle {
    return add(this.#hooked().after, { hook });
  }

  /** Puts a forward that calls the hooks before the module's own: only a module that has hooks pays for them. */
  #hooked(): ForwardHooks {
    if (this.#hooks) return this.#hooks;
    const hooks: ForwardHooks = { before: new Set(), after: new Set() };
    const forward = this.forward as (...args: readonly unknown[]) => unknown;
    const hooked = (...given: readonly unknown[]): unknown => {
      let args = given;
      for (const { hook } of hooks.before) args = hook(this, args) ?? args;
      let output = forward.apply(this, args as unknown[]);
      for (const { hook } of hooks.after) {
        const replacement = hook(this, args, output);
        if (replacement !== undefined) output = replacement;
      }
      return output;
    };
    Object.defineProperty(this, 'forward', { value: hooked, writable: true, configurable: true });
    this.#hooks = hooks;
    return hooks;
  }

  #name(): string {
    return this.constructor.name;
  }

  /** What `toString` shows between the parentheses, before the children (torch.nn.Module.extra_repr). */
  extraRepr(): string {
    return '';
  }

  /** The lines of `toString` that show the children. */
  protected childrenRepr(): string[] {
    return this.ownModules().map(([name, child]) => `(${name}): ${child}`);
  }

  /** The module and all below it, as PyTorch prints them. */
  toString(): string {
    const extra = this.extraRepr();
    const children = this.childrenRepr();
    const lines = [...(extra === '' ? [] : extra.split('\n')), ...children];
    const onOneLine = lines.length <= 1 && children.length === 0;
    const inside = onOneLine ? extra : `${['', ...lines].join('\n').replaceAll('\n', '\n  ')}\n`;
    return `${this.#name()}(${inside})`;
  }

  /** What `console.log` shows in Node. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** A module from one tensor to another, as `Sequential` strings together. */
export type Layer = Module & { forward(x: Tensor): Tensor };

const join = (prefix: string, name: string): string => (prefix === '' ? name : `${prefix}.${name}`);

/** The entries without those whose value was there before. */
function unique<T>(entries: [string, T][]): [string, T][] {
  const seen = new Set<T>();
  return entries.filter(([, value]) => !seen.has(value) && seen.add(value));
}

function add<T>(set: Set<T>, entry: T): RemovableHandle {
  set.add(entry);
  return removable(() => void set.delete(entry));
}

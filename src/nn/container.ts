/** Modules that hold others in order or by name, and a list of parameters. */
import { isOptions } from '../core/options.ts';
import type { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { type Layer, Module } from './module.ts';
import { Parameter } from './parameter.ts';

/** The place of element `index` in a list of `length`; negative ones count from the end. */
function place(index: number, length: number): number {
  if (!Number.isInteger(index) || index < -length || index >= length) {
    throw new AdjointError('index', `index ${show(index)} is out of range for a list of ${length}`);
  }
  return index < 0 ? index + length : index;
}

/** Modules in order, as the fields '0', '1' and so on unless they were given names. */
abstract class ModuleSequence<M extends Module> extends Module {
  constructor(modules: Iterable<M>) {
    super();
    this.extend(modules);
  }

  private list(): M[] {
    return this.ownModules().map(([, module]) => module as M);
  }

  /** The number of modules. */
  get length(): number {
    return this.list().length;
  }

  [Symbol.iterator](): Iterator<M> {
    return this.list()[Symbol.iterator]();
  }

  /** Module number `index`; negative ones count from the end. @throws if it is out of range */
  at(index: number): M {
    const modules = this.list();
    return modules[place(index, modules.length)];
  }

  /** Adds a module at the end. */
  append(module: M): this {
    this.registerModule(String(this.length), module);
    return this;
  }

  /** Adds modules at the end. */
  extend(modules: Iterable<M>): this {
    for (const module of modules) this.append(module);
    return this;
  }

  /** Adds a module before number `index`. */
  insert(index: number, module: M): this {
    const modules = this.list();
    modules.splice(index === modules.length ? index : place(index, modules.length), 0, module);
    return this.replace(modules);
  }

  /** Takes module number `index` out and returns it. */
  pop(index = -1): M {
    const modules = this.list();
    const [module] = modules.splice(place(index, modules.length), 1);
    this.replace(modules);
    return module;
  }

  private replace(modules: readonly M[]): this {
    for (const [name] of this.ownModules()) delete (this as Record<string, unknown>)[name];
    return this.extend(modules);
  }
}

/**
 * Modules applied one after the other (torch.nn.Sequential).
 * @example
 * new nn.Sequential(new nn.Linear(784, 128), new nn.ReLU(), new nn.Linear(128, 10))
 * new nn.Sequential({ hidden: new nn.Linear(784, 128), act: new nn.ReLU(), output: new nn.Linear(128, 10) })
 */
export class Sequential extends ModuleSequence<Layer> {
  constructor(...modules: readonly Layer[] | [modules: Readonly<Record<string, Layer>>]) {
    const named = isOptions(modules[0]);
    super(named ? [] : (modules as readonly Layer[]));
    if (named) for (const [name, module] of Object.entries(modules[0])) this.registerModule(name, module);
  }

  forward(x: Tensor): Tensor {
    let out = x;
    for (const module of this) out = module.forward(out);
    return out;
  }
}

const noForward = (name: string): AdjointError =>
  new AdjointError('unsupported', `Module [${name}] is missing the required "forward" function: it only holds others`);

/** Modules in a list, for a module of one's own to use; it has no forward (torch.nn.ModuleList). */
export class ModuleList<M extends Module = Layer> extends ModuleSequence<M> {
  constructor(modules: Iterable<M> = []) {
    super(modules);
  }

  forward(): never {
    throw noForward('ModuleList');
  }

  /** Neighbours that look alike share a line. */
  protected override childrenRepr(): string[] {
    const groups: { first: number; count: number; text: string }[] = [];
    this.ownModules().forEach(([, module], i) => {
      const text = String(module);
      const last = groups[groups.length - 1];
      if (last?.text === text) last.count++;
      else groups.push({ first: i, count: 1, text });
    });
    return groups.map(({ first, count, text }) =>
      count === 1 ? `(${first}): ${text}` : `(${first}-${first + count - 1}): ${count} x ${text}`,
    );
  }
}

/** Modules by name, for a module of one's own to use; it has no forward (torch.nn.ModuleDict). */
export class ModuleDict<M extends Module = Layer> extends Module {
  constructor(modules: Readonly<Record<string, M>> = {}) {
    super();
    for (const [name, module] of Object.entries(modules)) this.set(name, module);
  }

  get(name: string): M | undefined {
    return this.entries().find(([own]) => own === name)?.[1];
  }

  set(name: string, module: M): this {
    this.registerModule(name, module);
    return this;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  entries(): [name: string, module: M][] {
    return this.ownModules() as [string, M][];
  }

  [Symbol.iterator](): Iterator<[name: string, module: M]> {
    return this.entries()[Symbol.iterator]();
  }

  forward(): never {
    throw noForward('ModuleDict');
  }
}

/** Parameters in a list, made of tensors where they are not parameters yet (torch.nn.ParameterList). */
export class ParameterList extends Module {
  constructor(parameters: Iterable<Tensor> = []) {
    super();
    for (const parameter of parameters) this.append(parameter);
  }

  /** The number of parameters. */
  get length(): number {
    return this.list().length;
  }

  private list(): Parameter[] {
    return Object.values(this).filter((value) => value instanceof Parameter);
  }

  [Symbol.iterator](): Iterator<Parameter> {
    return this.list()[Symbol.iterator]();
  }

  /** Parameter number `index`; negative ones count from the end. @throws if it is out of range */
  at(index: number): Parameter {
    const parameters = this.list();
    return parameters[place(index, parameters.length)];
  }

  /** Adds a parameter at the end. */
  append(parameter: Tensor): this {
    this.registerParameter(String(this.length), parameter instanceof Parameter ? parameter : new Parameter(parameter));
    return this;
  }

  forward(): never {
    throw noForward('ParameterList');
  }

  override extraRepr(): string {
    return this.list()
      .map((p, i) => `  (${i}): Parameter containing: [torch.${p.dtype} of size ${p.shape.join('x')}]`)
      .join('\n');
  }
}

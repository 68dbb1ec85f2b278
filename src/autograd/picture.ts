/** The recorded graph as a picture, drawn as the Python package torchviz draws it. */
import { checkOptions } from '../core/options.ts';
import { Tensor } from '../core/tensor.ts';
import { AdjointError, show } from '../errors.ts';
import { AccumulateGrad } from './accumulate.ts';
import type { Node } from './node.ts';

export interface PictureOptions {
  /** Names for leaves: an object, or pairs as `module.namedParameters()` gives them. */
  params?: Readonly<Record<string, Tensor>> | Iterable<readonly [name: string, tensor: Tensor]>;
  /** Whether to show what each node keeps for the backward. Hooks for saved tensors run to find out. Defaults to false. */
  showSaved?: boolean;
}

const colours = { leaf: 'lightblue', output: 'darkolivegreen1', base: 'darkolivegreen3', saved: 'orange' };

/** A string of the DOT language. */
const quoted = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`;

/** Collects the statements of a picture. */
class Drawing {
  private readonly names: ReadonlyMap<Tensor, string>;
  private readonly showSaved: boolean;
  private readonly statements: string[] = [];
  private readonly ids = new Map<Tensor | Node, string>();
  /** The nodes that are in the picture; the set serves as the queue of those that are to be drawn. */
  private readonly nodes = new Set<Node>();

  constructor({ params = [], showSaved = false }: PictureOptions) {
    const pairs = Symbol.iterator in params ? params : Object.entries(params);
    this.names = new Map(Array.from(pairs, ([name, tensor]) => [tensor, name]));
    this.showSaved = showSaved;
  }

  drawOutput(tensor: Tensor, colour = colours.output): void {
    if (this.ids.has(tensor)) return;
    const node = tensor.gradFn;
    this.drawTensor(this.id(tensor), this.names.get(tensor), tensor, colour);
    if (node) {
      this.nodes.add(node);
      this.drawEdge(this.id(node), this.id(tensor));
    }
    const base = tensor._view?.base;
    if (!base) return;
    this.drawOutput(base, colours.base);
    this.drawEdge(this.id(base), this.id(tensor), ' [style=dotted]');
  }

  /** Draws all nodes from which the outputs were computed. */
  drawNodes(): void {
    for (const node of this.nodes) {
      const id = this.id(node);
      this.statements.push(`${id} [label=${quoted(node.name())}]`);
      if (node instanceof AccumulateGrad) this.drawLeaf(node.variable, id);
      if (this.showSaved) this.drawSaved(node, id);
      for (const next of node.next) {
        if (!next) continue;
        this.nodes.add(next);
        this.drawEdge(this.id(next), id);
      }
    }
  }

  toString(): string {
    const size = Math.max(12, 0.15 * this.statements.length);
    const style =
      'node [align=left, fontname=monospace, fontsize=10, height=0.2, ranksep=0.1, shape=box, style=filled]';
    return `digraph {\n${[`graph [size="${size},${size}"]`, style, ...this.statements].map((s) => `\t${s}\n`).join('')}}\n`;
  }

  private drawLeaf(variable: Tensor, accumulator: string): void {
    this.drawTensor(this.id(variable), this.names.get(variable), variable, colours.leaf);
    this.drawEdge(this.id(variable), accumulator);
  }

  private drawSaved(node: Node, id: string): void {
    for (const [k, [name, tensor]] of node.namedSaved().entries()) {
      this.drawTensor(`${id}_${k}`, name, tensor, colours.saved);
      this.drawEdge(id, `${id}_${k}`, ' [dir=none]');
    }
  }

  private drawTensor(id: string, name: string | undefined, { shape }: Tensor, colour: string): void {
    const size = `(${shape.join(', ')})`;
    this.statements.push(`${id} [label=${quoted(name ? `${name}\n${size}` : size)}, fillcolor=${colour}]`);
  }

  private drawEdge(from: string, to: string, style = ''): void {
    this.statements.push(`${from} -> ${to}${style}`);
  }

  private id(of: Tensor | Node): string {
    let id = this.ids.get(of);
    if (id === undefined) this.ids.set(of, (id = `n${this.ids.size}`));
    return id;
  }
}

/**
 * The graph that `outputs` were computed by, in the DOT language of Graphviz, as torchviz draws it: a grey box for each node, a
 * light blue one with name and shape for each leaf, a green one for each output (a darker one for what it is a view of), and, if asked,
 * an orange one for each saved tensor. Graphs of any depth can be drawn.
 * @example console.log(autograd.toDot(loss, { params: model.namedParameters() }));
 */
export function toDot(outputs: Tensor | readonly Tensor[], options: PictureOptions = {}): string {
  checkOptions('toDot', options, ['params', 'showSaved']);
  const drawing = new Drawing(options);
  for (const output of Array.isArray(outputs) ? outputs : [outputs]) {
    if (!(output instanceof Tensor)) throw new AdjointError('argument', `toDot draws Tensors, got ${show(output)}`);
    drawing.drawOutput(output);
  }
  drawing.drawNodes();
  return drawing.toString();
}

interface Renderer {
  instance(): Promise<{ renderString(dot: string, options: { format: 'svg' }): string }>;
}

// A variable, so that bundlers do not ask for a package that few need.
const renderer: string = '@viz-js/viz';

/**
 * What `toDot` gives as an SVG image, by the package `@viz-js/viz` (Graphviz in WebAssembly), which is not installed with this one. Where modules
 * cannot be found by their name at run time, as in a page, give the text of `toDot` to that package's `renderString`.
 * @example writeFileSync('graph.svg', await autograd.toSvg(loss));
 * @throws if the package is not installed
 */
export async function toSvg(outputs: Tensor | readonly Tensor[], options: PictureOptions = {}): Promise<string> {
  const dot = toDot(outputs, options);
  const graphviz: Renderer = await import(/* webpackIgnore: true */ /* @vite-ignore */ renderer).catch((error) => {
    throw new AdjointError(
      'unsupported',
      `toSvg needs the package ${renderer}: npm install ${renderer} (${error.message})`,
    );
  });
  return (await graphviz.instance()).renderString(dot, { format: 'svg' });
}

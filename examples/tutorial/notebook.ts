/** Shows the cells of the tutorial in a terminal, as a notebook would: the explanation, the code as it is written, what it prints. */
import { readFileSync } from 'node:fs';
import { cells } from './cells.ts';

type Name<Cells> = Cells extends Generator<infer Yielded> ? Yielded : never;

/**
 * An edition of the tutorial: what is said before each cell; the first, `imports`, is the head of the file. Lines that begin with `#` and `##`
 * are headings.
 */
export type Prose = Record<'imports' | Name<ReturnType<typeof cells>>, string>;

const colour = process.stdout.isTTY && process.stdout.hasColors(); // minds NO_COLOR and TERM=dumb
const paint = (style: number) => (text: string) => (colour ? `\x1b[${style}m${text}\x1b[0m` : text);
const bold = paint(1);
const green = paint(32);

/** Runs the cells and shows each of them under its explanation. */
export function show(prose: Prose): void {
  const code = sources();
  let number = 0;
  const showCell = (name: keyof Prose) => {
    const label = `In [${++number}]: `;
    const [first, ...rest] = code[name].split('\n');
    const margin = ' '.repeat(label.length);
    console.log(`\n${render(dedent(prose[name]))}\n`);
    console.log(green(label) + first);
    for (const line of rest) console.log(line && margin + line);
  };
  showCell('imports');
  for (const name of cells()) showCell(name); // asked for the next cell, the generator runs this one
}

/** The code of each cell, as text. */
function sources(): Record<string, string> {
  const file = new URL('examples/tutorial/cells.ts', import.meta.resolve('adjoint/package.json'));
  const text = readFileSync(file, 'utf8');
  const [imports, , body] = text.split(/(\/\*\*.*\nexport function\* cells\(\) \{|\n\}\n$)/);
  const parts = body.split(/^ {2}yield '(\w+)';$/m);
  const code: Record<string, string> = { imports: imports.trim() };
  for (let i = 1; i < parts.length; i += 2) code[parts[i]] = dedent(parts[i + 1]);
  return code;
}

/** Text without the indentation that its lines share, and without empty lines around it. */
function dedent(text: string): string {
  const lines = text.replace(/^\s*\n|\s+$/g, '').split('\n');
  const depth = Math.min(...lines.filter((line) => line !== '').map((line) => line.search(/\S/)));
  return lines.map((line) => line.slice(depth)).join('\n');
}

const render = (text: string): string =>
  text
    .replace(/^# (.*)$/gm, (_, title) => bold(`══ ${title} ══`))
    .replace(/^## (.*)$/gm, (_, title) => bold(`── ${title} ──`));

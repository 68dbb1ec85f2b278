/**
 * What every script needs first: the dependencies installed, the library built, the two Node runtimes.
 * Until the dependencies are installed, only Node's own modules may be imported.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

const executable = process.platform === 'win32' ? 'node.exe' : 'node';

const nodeIn = (name) => join(root, 'node_modules', name, 'bin', executable);

/** The runtimes that the library is tested on. The newest one also runs the examples. */
export const oldestNode = nodeIn('node-20');
export const newestNode = nodeIn('node');
/** Those that memory is put to a long test on. */
export const allNodes = [oldestNode, nodeIn('node-24'), newestNode];

/** The TypeScript programs under a folder, as paths relative to the project. */
export function programsUnder(folder, suffix = '.ts') {
  const names = readdirSync(join(root, folder), { recursive: true });
  return names.filter((name) => name.endsWith(suffix) && !name.endsWith('.d.ts')).map((name) => join(folder, name));
}

/** When a file or the last of a folder's files (or the list of them) changed; 0 if it is missing. */
function changed(path) {
  const full = join(root, path);
  if (!existsSync(full)) return 0;
  const stat = statSync(full);
  const inside = stat.isDirectory() ? readdirSync(full).map((name) => changed(join(path, name))) : [];
  return Math.max(stat.mtimeMs, ...inside);
}

/** Runs a program in the project's root and waits for it. When it fails or is interrupted, this program ends as it did. */
export async function run(program, args, options = {}) {
  const child = spawn(program, args, { cwd: root, stdio: 'inherit', ...options });
  const forward = (signal) => child.kill(signal);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, forward);
  const { code, signal } = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve({ code, signal }));
  });
  for (const name of signals) process.off(name, forward);
  if (signal) process.kill(process.pid, signal);
  if (code !== 0) process.exit(code ?? 128 + constants.signals[signal]);
}

/** Installs from the lockfile, unless what is installed is at least as new. */
export async function install() {
  const upToDate = changed('node_modules/.package-lock.json') >= changed('package-lock.json');
  if (upToDate && allNodes.every((node) => existsSync(node))) return;
  console.log('Installing the dependencies (once) ...');
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund'];
  const { npm_node_execpath: node, npm_execpath: npm } = process.env; // set by npm for its scripts
  await (node && npm ? run(node, [npm, ...args]) : run('npm', args, { shell: process.platform === 'win32' }));
}

/**
 * Makes dist/ of src/, unless it is newer: the types, and the library in one file, which loads in half the time and memory that its many
 * modules would take.
 */
export async function build() {
  const sources = ['src', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];
  if (changed('dist/index.js') >= Math.max(...sources.map(changed))) return;
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json']);
  const { build: bundle } = await import('esbuild');
  await bundle({
    absWorkingDir: root,
    entryPoints: ['src/index.ts'],
    outdir: 'dist',
    bundle: true,
    format: 'esm',
    target: 'es2022',
    packages: 'external',
    sourcemap: true,
    logLevel: 'warning',
  });
}

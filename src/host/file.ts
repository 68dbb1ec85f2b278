/** Files, where the host is Node. */
import { AdjointError } from '../errors.ts';

interface FileSystem {
  writeFileSync(path: string, text: string): void;
}

/**
 * Writes a text file.
 * @throws if the host has no files
 */
export function writeText(path: string, text: string): void {
  const host = (globalThis as { process?: { getBuiltinModule?: (name: 'fs') => FileSystem | undefined } }).process;
  const fs = host?.getBuiltinModule?.('fs');
  if (!fs)
    throw new AdjointError(
      'unsupported',
      `this host cannot write the file ${path}: leave the path out and keep the text`,
    );
  fs.writeFileSync(path, text);
}

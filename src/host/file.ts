/** Files, where the host is Node. */
import { AdjointError } from '../errors.ts';
import { builtinModule } from './node.ts';

interface FileSystem {
  writeFileSync(path: string, text: string): void;
}

/**
 * Writes a text file.
 * @throws if the host has no files
 */
export function writeText(path: string, text: string): void {
  const fs = builtinModule<FileSystem>('fs');
  if (!fs)
    throw new AdjointError(
      'unsupported',
      `this host cannot write the file ${path}: leave the path out and keep the text`,
    );
  fs.writeFileSync(path, text);
}

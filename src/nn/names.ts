import * as optim from '../optim/index.ts';
import * as nn from './index.ts';

/** Gives classes the names that they are exported under, by which they print: bundlers rename what shares its name with something else. */
export function installNames(): void {
  for (const [name, value] of [...Object.entries(nn), ...Object.entries(optim)]) {
    if (typeof value === 'function') Object.defineProperty(value, 'name', { value: name, configurable: true });
  }
}

/** Loaded before a test file, has it run with checks of memory: `node --import ./test/poison.ts --test ...`. */
import { setMemoryDebug } from '../src/index.ts';

setMemoryDebug(true);

/** `npm run build`: the library, from src/ to dist/. */
import { build, install } from './setup.mjs';

await install();
await build();

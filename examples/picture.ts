'use tsover'; // in this file, + - * / % and ** work on tensors

/**
 * Draws the graph of the tutorial's last exercise, y = x² + z³, with names, shapes and saved tensors:
 * `npm start --silent picture > docs/graph.svg`.
 */
import { autograd, tensor } from 'adjoint';

const x = tensor(1, { requiresGrad: true });
const z = tensor(2, { requiresGrad: true });
const y = x ** 2 + z ** 3;

process.stdout.write(await autograd.toSvg(y, { params: { x, z, y }, showSaved: true }));

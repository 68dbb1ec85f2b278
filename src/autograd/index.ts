export { type BackwardCall, backward, type GradCall, grad } from './backward.ts';

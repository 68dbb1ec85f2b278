/** Tools for the recorded graph: torch.autograd.graph. */
export { disableSavedTensorsHooks, savedTensorsHooks } from './saved.ts';

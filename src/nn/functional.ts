/** torch.nn.functional: the operators of neural networks as functions. */
export * from '../ops/activation.ts';

export * as checkpoint from './checkpoint.ts';

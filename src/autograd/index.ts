export {
  type AnomalyOptions,
  detectAnomaly,
  isAnomalyCheckNanEnabled,
  isAnomalyEnabled,
  setDetectAnomaly,
} from './anomaly.ts';
export { type BackwardCall, backward, type GradCall, grad, type Place } from './backward.ts';
export * as forwardAd from './forward-ad.ts';
export { Function, type FunctionCtx, onceDifferentiable, type VmapInfo } from './function.ts';
export * as functional from './functional.ts';
export {
  GradcheckError,
  type GradcheckOptions,
  type GradgradcheckOptions,
  gradcheck,
  gradgradcheck,
  type Results,
} from './gradcheck.ts';
export * as graph from './graph.ts';
export { enableGrad, inferenceMode, noGrad, setGradEnabled } from './modes.ts';
export { type PictureOptions, toDot, toSvg } from './picture.ts';
export * as profiler from './profiler.ts';

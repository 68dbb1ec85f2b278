/** The operators that must be here, under PyTorch's names: to lose one is an error, not a gap in a list. */
const text = `
  tensor zeros ones full empty eye arange linspace logspace rand randn randint randperm normal
  zeros_like ones_like full_like empty_like rand_like randn_like randint_like

  neg abs sign exp exp2 expm1 log log2 log10 log1p sqrt rsqrt square reciprocal sin cos tan asin acos atan sinh cosh tanh
  asinh acosh atanh sigmoid relu erf erfc floor ceil round trunc frac clamp clamp_min clamp_max logit nan_to_num
  nn.functional.relu nn.functional.gelu nn.functional.silu nn.functional.softplus nn.functional.elu
  nn.functional.leaky_relu nn.functional.hardtanh

  add sub mul div pow maximum minimum fmod remainder atan2 hypot lerp addcmul addcdiv where masked_fill rsub
  __radd__ __rsub__ __rmul__ __rdiv__ __rmod__ __rpow__ __rmatmul__
  eq ne lt le gt ge logical_and logical_or logical_xor logical_not isnan isinf isfinite

  sum mean prod amax amin max min argmax argmin var std var_mean std_mean norm logsumexp all any cumsum cumprod

  matmul mm bmm mv dot outer addmm baddbmm nn.functional.linear einsum tensordot

  view reshape transpose t permute squeeze unsqueeze expand select narrow diagonal unbind split chunk unflatten movedim
  flatten view_as reshape_as expand_as contiguous clone detach
  cat stack tile repeat flip roll tril triu diag gather scatter scatter_add index_select index index_put __getitem__
  take masked_select topk sort

  softmax log_softmax nn.functional.softmax nn.functional.log_softmax nn.functional.cross_entropy nn.functional.nll_loss
  nn.functional.mse_loss nn.functional.l1_loss nn.functional.smooth_l1_loss nn.functional.huber_loss
  nn.functional.binary_cross_entropy nn.functional.binary_cross_entropy_with_logits nn.functional.kl_div
  nn.functional.layer_norm nn.functional.dropout nn.functional.embedding

  neg_ abs_ exp_ log_ sqrt_ sin_ cos_ tanh_ sigmoid_ relu_ add_ sub_ mul_ div_ pow_ clamp_ zero_ fill_ copy_ masked_fill_
  index_put_ scatter_ scatter_add_ requires_grad_ detach_
`;

export const required: readonly string[] = text.trim().split(/\s+/);

/** Variants of theirs that wait for what is no part of the core set. */
export const excused: readonly string[] = ['norm:nuc'];

/** Operators whose gradients are not those of finite differences, and why; with variants where they have any. */
export const notSmooth: { readonly [title: string]: string } = {
  float: 'in float32, differences are too coarse',
  index_put: 'of several values for one place, the last is written, and each has its gradient',
  normal: 'its gradient is zero by definition',
};

const statistics = 'Batch norm got a batched tensor as input while the running';
const shape = 'vmap: We do not support batching operators that can support dynamic shape';
const values = "vmap: It looks like you're calling item() on a Tensor";

/**
 * Operators that vmap refuses for some arguments, and how the error begins: those that would write running statistics that all examples share,
 * whose results would differ in shape from example to example, or that read the values of a batch, of indices in all of these. The
 * documentation of vmap lists them.
 */
export const notBatched: { readonly [op: string]: string } = {
  native_batch_norm: statistics,
  'nn.functional.batch_norm': statistics,
  'nn.functional.instance_norm': statistics,
  index_put: shape,
  masked_select: 'vmap: Attempted to vmap over `mask`',
  repeat_interleave: values,
  tensor_split: values,
  'nn.functional.embedding_bag': values,
  'nn.functional.multilabel_margin_loss': values,
};

/**
 * A small WebAssembly assembler. Code is a list of bytes and an expression is the bytes that leave its value on the stack,
 * so instructions compose as functions do: `f32.add(local.get(0), f32.const(1))`.
 * https://webassembly.github.io/spec/core/binary/
 */

export type Code = readonly number[];

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

const typeByte: Record<ValueType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** Unsigned LEB128. */
function u32(value: number): number[] {
  const bytes: number[] = [];
  do {
    const rest = value >>> 7;
    bytes.push((value & 0x7f) | (rest ? 0x80 : 0));
    value = rest;
  } while (value);
  return bytes;
}

/** Signed LEB128 of up to 64 bits. */
function signed(value: bigint): number[] {
  const bytes: number[] = [];
  for (;;) {
    const low = Number(value & 0x7fn);
    value >>= 7n;
    const done = (value === 0n && !(low & 0x40)) || (value === -1n && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

function floatBytes(value: number, bytes: 4 | 8): number[] {
  const view = new DataView(new ArrayBuffer(bytes));
  if (bytes === 4) view.setFloat32(0, value, true);
  else view.setFloat64(0, value, true);
  return [...new Uint8Array(view.buffer)];
}

export const concat = (parts: readonly Code[]): Code => parts.flat();

const unary =
  (...op: number[]) =>
  (a: Code): Code => [...a, ...op];
const binary =
  (...op: number[]) =>
  (a: Code, b: Code): Code => [...a, ...b, ...op];
const ternary =
  (...op: number[]) =>
  (a: Code, b: Code, c: Code): Code => [...a, ...b, ...c, ...op];
/** Alignment hints are left at one byte: engines ignore them. */
const load =
  (...op: number[]) =>
  (address: Code, offset = 0): Code => [...address, ...op, 0, ...u32(offset)];
const store =
  (...op: number[]) =>
  (address: Code, value: Code, offset = 0): Code => [...address, ...value, ...op, 0, ...u32(offset)];

const simd = (op: number): number[] => [0xfd, ...u32(op)];
const unaryV = (op: number) => unary(...simd(op));
const binaryV = (op: number) => binary(...simd(op));
/** Loads one lane of a vector from memory, or stores it there. */
const memoryLane =
  (op: number) =>
  (address: Code, value: Code, index: number, offset = 0): Code => [
    ...address,
    ...value,
    ...simd(op),
    0,
    ...u32(offset),
    index,
  ];
const lane =
  (op: number) =>
  (a: Code, index: number): Code => [...a, ...simd(op), index];
const replace =
  (op: number) =>
  (a: Code, index: number, value: Code): Code => [...a, ...value, ...simd(op), index];

/** Either of two values by an i32 condition; both are evaluated. */
export const select = (condition: Code, then: Code, otherwise: Code): Code => [
  ...then,
  ...otherwise,
  ...condition,
  0x1b,
];
/** Sets `size` bytes of memory to the low byte of `value`. */
export const fill = (address: Code, value: number, size: Code): Code => [
  ...address,
  ...i32.const(value),
  ...size,
  ...[0xfc, 11, 0],
];
/** Copies bytes from one address to another. */
export const copyBytes = (to: Code, from: Code, count: Code): Code => [...to, ...from, ...count, 0xfc, 10, 0, 0];
export const drop = (a: Code): Code => [...a, 0x1a];

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(BigInt(value | 0))],
  load: load(0x28),
  load8s: load(0x2c),
  load8u: load(0x2d),
  load16s: load(0x2e),
  store: store(0x36),
  store8: store(0x3a),
  store16: store(0x3b),
  clz: unary(0x67),
  eqz: unary(0x45),
  eq: binary(0x46),
  ne: binary(0x47),
  ltS: binary(0x48),
  ltU: binary(0x49),
  gtS: binary(0x4a),
  leS: binary(0x4c),
  geS: binary(0x4e),
  geU: binary(0x4f),
  add: binary(0x6a),
  sub: binary(0x6b),
  mul: binary(0x6c),
  divS: binary(0x6d),
  divU: binary(0x6e),
  remS: binary(0x6f),
  remU: binary(0x70),
  and: binary(0x71),
  or: binary(0x72),
  xor: binary(0x73),
  shl: binary(0x74),
  shrS: binary(0x75),
  shrU: binary(0x76),
  wrapI64: unary(0xa7),
  truncSatF64S: unary(0xfc, 2),
};

export const i64 = {
  const: (value: bigint): Code => [0x42, ...signed(BigInt.asIntN(64, value))],
  load: load(0x29),
  store: store(0x37),
  eqz: unary(0x50),
  eq: binary(0x51),
  ne: binary(0x52),
  ltS: binary(0x53),
  gtS: binary(0x55),
  leS: binary(0x57),
  geS: binary(0x59),
  add: binary(0x7c),
  sub: binary(0x7d),
  mul: binary(0x7e),
  divS: binary(0x7f),
  remS: binary(0x81),
  and: binary(0x83),
  shl: binary(0x86),
  shrS: binary(0x87),
  extendI32S: unary(0xac),
  extendI32U: unary(0xad),
  truncSatF64S: unary(0xfc, 6),
};

export const f32 = {
  const: (value: number): Code => [0x43, ...floatBytes(value, 4)],
  load: load(0x2a),
  store: store(0x38),
  lt: binary(0x5d),
  gt: binary(0x5e),
  add: binary(0x92),
  sub: binary(0x93),
  mul: binary(0x94),
  div: binary(0x95),
  convertI64S: unary(0xb4),
  demoteF64: unary(0xb6),
};

export const f64 = {
  const: (value: number): Code => [0x44, ...floatBytes(value, 8)],
  load: load(0x2b),
  store: store(0x39),
  eq: binary(0x61),
  ne: binary(0x62),
  lt: binary(0x63),
  gt: binary(0x64),
  add: binary(0xa0),
  sub: binary(0xa1),
  mul: binary(0xa2),
  div: binary(0xa3),
  convertI64S: unary(0xb9),
  convertI32S: unary(0xb7),
  promoteF32: unary(0xbb),
};

export const v128 = {
  load: load(...simd(0)),
  load32Splat: load(...simd(9)),
  load64Splat: load(...simd(10)),
  load32Zero: load(...simd(92)),
  load64Zero: load(...simd(93)),
  store: store(...simd(11)),
  load32Lane: memoryLane(86),
  load64Lane: memoryLane(87),
  store8Lane: memoryLane(88),
  store16Lane: memoryLane(89),
  store32Lane: memoryLane(90),
  store64Lane: memoryLane(91),
  const: (bytes: readonly number[]): Code => [...simd(12), ...bytes],
  zero: [...simd(12), ...new Array<number>(16).fill(0)] as Code,
  /** Picks 16 bytes out of the 32 of `a` and `b` by constant positions. */
  shuffle: (a: Code, b: Code, bytes: readonly number[]): Code => [...a, ...b, ...simd(13), ...bytes],
  not: unaryV(77),
  and: binaryV(78),
  andnot: binaryV(79),
  or: binaryV(80),
  xor: binaryV(81),
  /** Lane bits of `a` where `mask` is set, of `b` elsewhere. */
  bitselect: (mask: Code, a: Code, b: Code): Code => [...a, ...b, ...mask, ...simd(82)],
  anyTrue: unaryV(83),
};

export const i8x16 = {
  narrowI16x8S: binaryV(101),
  narrowI16x8U: binaryV(102),
};

export const i16x8 = {
  narrowI32x4S: binaryV(133),
  narrowI32x4U: binaryV(134),
  extendLowI8x16S: unaryV(135),
  extendLowI8x16U: unaryV(137),
};

export const i32x4 = {
  splat: unaryV(17),
  extractLane: lane(27),
  replaceLane: replace(28),
  eq: binaryV(55),
  ne: binaryV(56),
  lt: binaryV(57),
  gt: binaryV(59),
  le: binaryV(61),
  ge: binaryV(63),
  abs: unaryV(160),
  neg: unaryV(161),
  extendLowI16x8S: unaryV(167),
  extendLowI16x8U: unaryV(169),
  shl: binaryV(171),
  shrS: binaryV(172),
  add: binaryV(174),
  sub: binaryV(177),
  mul: binaryV(181),
  min: binaryV(182),
  max: binaryV(184),
  truncSatF64x2SZero: unaryV(252),
};

export const i64x2 = {
  splat: unaryV(18),
  extractLane: lane(29),
  replaceLane: replace(30),
  abs: unaryV(192),
  neg: unaryV(193),
  extendLowI32x4S: unaryV(199),
  extendHighI32x4S: unaryV(200),
  shl: binaryV(203),
  shrS: binaryV(204),
  shrU: binaryV(205),
  add: binaryV(206),
  sub: binaryV(209),
  mul: binaryV(213),
  eq: binaryV(214),
  ne: binaryV(215),
  lt: binaryV(216),
  gt: binaryV(217),
  le: binaryV(218),
  ge: binaryV(219),
};

export const f32x4 = {
  splat: unaryV(19),
  extractLane: lane(31),
  replaceLane: replace(32),
  eq: binaryV(65),
  ne: binaryV(66),
  lt: binaryV(67),
  gt: binaryV(68),
  le: binaryV(69),
  ge: binaryV(70),
  demoteF64x2Zero: unaryV(94),
  ceil: unaryV(103),
  floor: unaryV(104),
  trunc: unaryV(105),
  nearest: unaryV(106),
  abs: unaryV(224),
  neg: unaryV(225),
  sqrt: unaryV(227),
  add: binaryV(228),
  sub: binaryV(229),
  mul: binaryV(230),
  div: binaryV(231),
  /** NaN where either lane is NaN. */
  min: binaryV(232),
  max: binaryV(233),
  /** b < a ? b : a, and a < b ? b : a. */
  pmin: binaryV(234),
  pmax: binaryV(235),
  convertI32x4S: unaryV(250),
  /** a * b + c with one rounding or two, as the processor likes; needs the relaxed-simd feature. */
  relaxedMadd: ternary(...simd(0x105)),
};

export const f64x2 = {
  splat: unaryV(20),
  extractLane: lane(33),
  replaceLane: replace(34),
  eq: binaryV(71),
  ne: binaryV(72),
  lt: binaryV(73),
  gt: binaryV(74),
  le: binaryV(75),
  ge: binaryV(76),
  promoteLowF32x4: unaryV(95),
  ceil: unaryV(116),
  floor: unaryV(117),
  trunc: unaryV(122),
  nearest: unaryV(148),
  abs: unaryV(236),
  neg: unaryV(237),
  sqrt: unaryV(239),
  add: binaryV(240),
  sub: binaryV(241),
  mul: binaryV(242),
  div: binaryV(243),
  min: binaryV(244),
  max: binaryV(245),
  pmin: binaryV(246),
  pmax: binaryV(247),
  convertLowI32x4S: unaryV(254),
  relaxedMadd: ternary(...simd(0x107)),
};

/** A local variable of a function under construction. */
export class Local {
  readonly index: number;
  readonly type: ValueType;
  readonly get: Code;

  constructor(index: number, type: ValueType) {
    this.index = index;
    this.type = type;
    this.get = [0x20, ...u32(index)];
  }

  set(value: Code): Code {
    return [...value, 0x21, ...u32(this.index)];
  }

  /** Sets and leaves the value on the stack. */
  tee(value: Code): Code {
    return [...value, 0x22, ...u32(this.index)];
  }

  /** Adds a constant or a value to an i32 local. */
  add(value: Code | number): Code {
    return this.set(i32.add(this.get, typeof value === 'number' ? i32.const(value) : value));
  }
}

export const block = (body: Code): Code => [0x02, 0x40, ...body, 0x0b];
/** Runs `body` again as long as `condition` holds after it: a do-while loop. */
export const doWhile = (body: Code, condition: Code): Code => [0x03, 0x40, ...body, ...condition, 0x0d, 0, 0x0b];
export const whileLoop = (condition: Code, body: Code): Code =>
  block([...i32.eqz(condition), 0x0d, 0, ...doWhile(body, condition)]);
export const when = (condition: Code, then: Code, otherwise?: Code): Code => [
  ...condition,
  0x04,
  0x40,
  ...then,
  ...(otherwise ? [0x05, ...otherwise] : []),
  0x0b,
];
/** A value chosen by an i32 condition; only the chosen side is evaluated. */
export const choose = (type: ValueType, condition: Code, then: Code, otherwise: Code): Code => [
  ...condition,
  0x04,
  typeByte[type],
  ...then,
  0x05,
  ...otherwise,
  0x0b,
];
/** `for (i = start; i < end; i += step) body`, signed. */
export const forLoop = (i: Local, start: Code, end: Code, step: number, body: Code): Code => [
  ...i.set(start),
  ...whileLoop(i32.ltS(i.get, end), [...body, ...i.add(step)]),
];

/** The most that a memory with 32-bit addresses can have. */
export const maximumPages = 65536;

/** A function of one module: its parameters, then the locals that its body asks for. */
export class FunctionBuilder {
  readonly params: readonly Local[];
  /** What the function returns, if anything. */
  readonly result: ValueType | null;
  private readonly locals: ValueType[] = [];

  constructor(params: readonly ValueType[], result: ValueType | null = null) {
    this.params = params.map((type, i) => new Local(i, type));
    this.result = result;
  }

  local(type: ValueType): Local {
    this.locals.push(type);
    return new Local(this.params.length + this.locals.length - 1, type);
  }

  encode(body: Code): number[] {
    const bytes = [...u32(this.locals.length), ...this.locals.flatMap((type) => [1, typeByte[type]]), ...body, 0x0b];
    return [...u32(bytes.length), ...bytes];
  }
}

/** A host function that kernels may call: so many f64 in, one f64 out. */
export interface HostFunction {
  readonly name: string;
  readonly arity: 1 | 2;
}

const vector = (items: readonly (readonly number[])[]): number[] => [...u32(items.length), ...items.flat()];
const section = (id: number, items: readonly (readonly number[])[]): number[] => {
  const content = vector(items);
  return [id, ...u32(content.length), ...content];
};
const text = (value: string): number[] => vector([...new TextEncoder().encode(value)].map((byte) => [byte]));

/** A function that the others of its module call: it takes the builder's parameters and returns nothing. */
export interface InnerFunction {
  readonly builder: FunctionBuilder;
  readonly body: Code;
}

/**
 * The bytes of a module that imports the memory and `host` functions of f64 from "env" and exports the function of the builder as `run`. The memory is `shared` with other threads or not. Host function k is called by `call(k, ...)`, inner function k by
 * `call(host.length + 1 + k, ...)`.
 */
export function encodeModule(
  builder: FunctionBuilder,
  body: Code,
  host: readonly HostFunction[],
  inner: readonly InnerFunction[] = [],
  shared = false,
): Uint8Array<ArrayBuffer> {
  const signature = (params: readonly ValueType[], result: ValueType | null): number[] => [
    0x60,
    ...vector(params.map((type) => [typeByte[type]])),
    ...vector(result ? [[typeByte[result]]] : []),
  ];
  const signatureOf = (f: FunctionBuilder): number[] =>
    signature(
      f.params.map((p) => p.type),
      f.result,
    );
  const types = [
    signatureOf(builder),
    signature(['f64'], 'f64'),
    signature(['f64', 'f64'], 'f64'),
    ...inner.map((f) => signatureOf(f.builder)),
  ];
  const limits = shared ? [3, 1, ...u32(maximumPages)] : [0, 1];
  const memory = [...text('env'), ...text('memory'), 2, ...limits];
  const imports = [memory, ...host.map((f) => [...text('env'), ...text(f.name), 0, f.arity])];
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(2, imports),
    ...section(3, [[0], ...inner.map((_, k) => u32(3 + k))]),
    // the others too, so that they can be compiled one by one (host/wide.ts)
    ...section(7, [
      [...text('run'), 0, ...u32(host.length)],
      ...inner.map((_, k) => [...text(`inner${k}`), 0, ...u32(host.length + 1 + k)]),
    ]),
    ...section(10, [builder.encode(body), ...inner.map((f) => f.builder.encode(f.body))]),
  ]);
}

/** Calls host function `index` of the module. */
export const call = (index: number, ...args: Code[]): Code => [...concat(args), 0x10, ...u32(index)];

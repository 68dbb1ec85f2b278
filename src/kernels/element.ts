/** The element types that kernels know, and how they lie in memory. */
export const elementTypes = ['float32', 'float64', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool'] as const;

export type ElementType = (typeof elementTypes)[number];

export type TypedArray =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

export type TypedArrayConstructor = {
  new (length: number): TypedArray;
  new (buffer: ArrayBuffer, byteOffset: number, length: number): TypedArray;
};

export const bytesOf: Record<ElementType, number> = {
  float32: 4,
  float64: 8,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
};

export const arrayOf: Record<ElementType, TypedArrayConstructor> = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

/** A small number for each type, to build cache keys of. */
export const codeOf = Object.fromEntries(elementTypes.map((type, i) => [type, i])) as Record<ElementType, number>;

export const isFloat = (type: ElementType): boolean => type === 'float32' || type === 'float64';

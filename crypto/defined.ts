/** `T` where every property that may be undefined may be left out, and is then not undefined. */
export type Defined<T> =
  & { [K in keyof T as undefined extends T[K] ? never : K]: T[K] }
  & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/**
 * A copy of `values` without the properties that are undefined: for objects whose optional properties
 * are left out, not set to undefined (`exactOptionalPropertyTypes`).
 */
export function defined<const T extends object>(values: T): Defined<T>;
export function defined(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

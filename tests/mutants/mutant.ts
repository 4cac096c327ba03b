/** One breakage of the code, which some test must notice. */
export interface Mutant {
  /** What is broken, in few words; unique. */
  readonly name: string;
  /** Each text stands in its file exactly once. */
  readonly changes: readonly Change[];
}

export interface Change {
  readonly file: string;
  readonly old: string;
  readonly new: string;
}

/** A breakage in one place. */
export function one(name: string, file: string, old: string, by: string): Mutant {
  return { name, changes: [{ file, old, new: by }] };
}

/** A breakage that both sides of the protocol have, so that they still understand each other. */
export function both(
  name: string,
  file: string,
  ...pairs: readonly (readonly [old: string, by: string])[]
): Mutant {
  return { name, changes: pairs.map(([old, by]) => ({ file, old, new: by })) };
}

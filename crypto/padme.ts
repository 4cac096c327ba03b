/**
 * `length` rounded up as Padmé does (Nikitin et al., "Reducing Metadata Leakage from Encrypted
 * Files and Communication with PURBs", 2019, section 4): at most 12 % more, and it tells no more
 * than O(log log length) bits of the length. `length` is 0 to 2^53. Throws RangeError otherwise.
 */
export function padme(length: number): number {
  if (!Number.isInteger(length) || length < 0 || length > 2 ** 53) {
    throw new RangeError("a length is out of range");
  }
  if (length < 2) return length;
  const exponent = log2(length);
  const kept = log2(exponent) + 1;
  // All of these are integers up to 2^53, which a number holds exactly.
  const unit = 2 ** (exponent - kept);
  const over = length % unit;
  return over === 0 ? length : length - over + unit;
}

/** The integer part of the base-2 logarithm of `n`, 1 to 2^53. */
function log2(n: number): number {
  return n < 2 ** 32 ? 31 - Math.clz32(n) : 63 - Math.clz32(Math.floor(n / 2 ** 32));
}

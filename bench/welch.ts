/** What two samples say of the difference of their means. */
export interface Comparison {
  /** Mean of the second less mean of the first. */
  readonly difference: number;
  /** Welch's t: the difference in standard errors. */
  readonly t: number;
  /** Degrees of freedom, by Welch and Satterthwaite. */
  readonly df: number;
  /** The chance of a t as far from zero, either way, if there is no difference. */
  readonly p: number;
  /** The least difference that would have had |t| above {@linkcode SEEN}. */
  readonly resolution: number;
}

/** From this |t| on a difference is taken for one: some 1 in 150,000 by chance, as dudect does. */
export const SEEN = 4.5;

/** Welch's t-test of two samples, whose variances need not be the same. */
export function welch(a: readonly number[], b: readonly number[]): Comparison {
  const [va, vb] = [variance(a) / a.length, variance(b) / b.length];
  const error = Math.sqrt(va + vb);
  const difference = mean(b) - mean(a);
  const t = difference / error;
  const df = (va + vb) ** 2 / (va ** 2 / (a.length - 1) + vb ** 2 / (b.length - 1));
  // With hundreds of degrees of freedom t is normally distributed, to more digits than are shown.
  return { difference, t, df, p: erfc(Math.abs(t) / Math.SQRT2), resolution: SEEN * error };
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function variance(values: readonly number[]): number {
  const m = mean(values);
  return values.reduce((sum, value) => sum + (value - m) ** 2, 0) / (values.length - 1);
}

/** The complementary error function, by the continued fraction and, near zero, the series. */
function erfc(x: number): number {
  if (x < 2) {
    let [term, sum] = [x, x];
    for (let n = 1; n < 100; n++) {
      term *= -x * x / n;
      sum += term / (2 * n + 1);
    }
    return 1 - 2 / Math.sqrt(Math.PI) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}

/** A date as short as it can be: the time today, the day this year, else the whole date. */
export function shortDate(ms: number | null): string {
  if (ms === null) return "";
  const date = new Date(ms);
  const now = new Date();
  if (date.toDateString() === now.toDateString()) {
    return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  }
  return date.getFullYear() === now.getFullYear()
    ? date.toLocaleDateString([], { day: "numeric", month: "short" })
    : date.toLocaleDateString([], { day: "numeric", month: "short", year: "numeric" });
}

/** A date and its time, in words. */
export function longDate(ms: number | null): string {
  if (ms === null) return "";
  return new Date(ms).toLocaleString([], { dateStyle: "full", timeStyle: "short" });
}

/** A day. */
export function dayOf(ms: number): string {
  return new Date(ms).toLocaleDateString([], { dateStyle: "medium" });
}

/** Bytes, as people write them. */
export function sizeText(bytes: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
  let [size, unit] = [bytes, 0];
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  const digits = unit === 0 || size >= 100 ? 0 : 1;
  return size.toLocaleString([], {
    style: "unit",
    unit: units[unit] ?? "byte",
    unitDisplay: unit === 0 ? "long" : "short",
    maximumFractionDigits: digits,
  });
}

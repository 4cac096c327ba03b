/** The kinds of pictures that a page shows, and how they begin: none of them can run anything. */
const KINDS: readonly (readonly [type: string, begins: readonly number[]])[] = [
  ["image/png", [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ["image/jpeg", [0xff, 0xd8, 0xff]],
  ["image/gif", [0x47, 0x49, 0x46, 0x38]],
  ["image/webp", [0x52, 0x49, 0x46, 0x46]],
];

/** What a WebP picture, unlike other RIFF files, has at its ninth byte. */
const WEBP = [0x57, 0x45, 0x42, 0x50];

/**
 * The media type of a picture by its first bytes, whatever its name and its sender say; null for
 * anything else, SVG among it.
 */
export function pictureType(start: Uint8Array): string | null {
  const has = (bytes: readonly number[], at = 0) =>
    bytes.every((byte, i) => start[at + i] === byte);
  const [type] = KINDS.find(([, begins]) => has(begins)) ?? [];
  return type === undefined || type === "image/webp" && !has(WEBP, 8) ? null : type;
}

import { join } from "@std/path";

/** A text, and every form in which a program could have written it down. */
export interface Secret {
  readonly what: string;
  readonly text: string;
}

/** Where a secret was found. */
export interface Finding {
  readonly what: string;
  readonly form: string;
  readonly path: string;
}

/** All files below `folder`, as paths from there. */
export async function filesBelow(folder: string, below = ""): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(folder, below))) {
    const path = below === "" ? name : `${below}/${name}`;
    if (isDirectory) paths.push(...await filesBelow(folder, path));
    else paths.push(path);
  }
  return paths.sort();
}

/** Searches every byte of every file below `folder`, and the files' names. */
export async function searchFolder(
  folder: string,
  secrets: readonly Secret[],
): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const path of await filesBelow(folder)) {
    found.push(...searchBytes(path, new TextEncoder().encode(path), secrets));
    let data: Uint8Array;
    try {
      data = await Deno.readFile(join(folder, path));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue; // gone meanwhile
      throw error;
    }
    found.push(...searchBytes(path, data, secrets));
  }
  return found;
}

/** Searches `data`, which is called `path` in what is found. */
export function searchBytes(
  path: string,
  data: Uint8Array,
  secrets: readonly Secret[],
): Finding[] {
  const text = latin1(data);
  return secrets.flatMap(({ what, text: secret }) => {
    return Object.entries(formsOf(secret))
      .filter(([, form]) => text.includes(form))
      .map(([form]) => ({ what, form, path }));
  });
}

/** How `text` may stand in a file, each as a string of one character for each byte. */
export function formsOf(text: string): Record<string, string> {
  const utf8 = new TextEncoder().encode(text);
  const hex = [...utf8].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const utf16 = [...Array(text.length).keys()].map((i) => text.charCodeAt(i));
  const forms: Record<string, string> = {
    "UTF-8": latin1(utf8),
    "UTF-16LE": utf16.map((unit) => String.fromCharCode(unit & 255, unit >> 8)).join(""),
    "UTF-16BE": utf16.map((unit) => String.fromCharCode(unit >> 8, unit & 255)).join(""),
    "hexadecimal": hex,
    "HEXADECIMAL": hex.toUpperCase(),
    "quoted-printable": escaped(utf8, "="),
    "percent-encoded": escaped(utf8, "%"),
    "JSON": utf16.map((unit) =>
      unit < 128 ? String.fromCharCode(unit) : `\\u${unit.toString(16).padStart(4, "0")}`
    ).join(""),
  };
  for (let shift = 0; shift < 3; shift++) {
    const padded = new Uint8Array([...new Uint8Array(shift), ...utf8]);
    // Only the characters that the neighbours do not change.
    const base64 = btoa(latin1(padded)).replace(/=+$/, "");
    const whole = base64.slice(Math.ceil((shift * 4) / 3), Math.floor((padded.length * 4) / 3));
    forms[`base64 from byte ${shift}`] = whole;
    forms[`base64url from byte ${shift}`] = whole.replaceAll("+", "-").replaceAll("/", "_");
  }
  return forms;
}

function escaped(utf8: Uint8Array, sign: string): string {
  return [...utf8].map((byte) =>
    byte < 128 ? String.fromCharCode(byte) : sign + byte.toString(16).toUpperCase().padStart(2, "0")
  ).join("");
}

function latin1(data: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < data.length; at += 32_768) {
    parts.push(String.fromCharCode(...data.subarray(at, at + 32_768)));
  }
  return parts.join("");
}

import { SealpostError } from "../crypto/error.ts";

/**
 * A variable of the environment; undefined if it is not set, or if this process may not read it.
 * Never asks for the right.
 */
export function variable(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}

/** Columns and rows of the terminal; 80 and 24 where there is none, or it does not say. */
export function terminalSize(): { readonly columns: number; readonly rows: number } {
  try {
    const { columns, rows } = Deno.consoleSize();
    return { columns: columns || 80, rows: rows || 24 };
  } catch {
    return { columns: 80, rows: 24 };
  }
}

/**
 * `path` with the home folder in the place of a `~` at its beginning, as a shell reads it: for paths
 * that no shell has seen. Throws `usage` where nothing says which folder that is.
 */
export function expandHome(path: string): string {
  if (!/^~($|[\\/])/.test(path)) return path;
  const home = variable("HOME") || variable("USERPROFILE");
  if (home) return home + path.slice(1);
  throw new SealpostError("usage", `${path}: HOME does not say which folder ~ is; write it out`);
}

/** What this machine is called; null where it has no name, or this process may not ask. Never asks for the right. */
export function hostName(): string | null {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "hostname" });
  if (state !== "granted") return null;
  return Deno.hostname().split(".")[0] || null;
}

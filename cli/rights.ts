import { SealpostError } from "../crypto/error.ts";

/** What a command does outside its own memory. What is left out, it does not do. */
export interface Rights {
  /** Whether it reads and writes files. */
  readonly files?: true;
  /** Whether it opens or accepts connections. */
  readonly net?: true;
  /** Whether it starts programs of the person's choice, by the shells of client/terminal/programs.ts. */
  readonly programs?: true;
  /** Whether it asks what this machine is called. */
  readonly host?: true;
  /** The variables of the environment that it reads; `PREFIX_*` are all that begin so. */
  readonly variables?: readonly string[];
}

/** Every kind of right that this program is ever granted, with uses of it that stand for the kind. */
const KINDS: Readonly<Record<Kind, readonly Deno.PermissionDescriptor[]>> = {
  read: [{ name: "read" }, { name: "read", path: "." }],
  write: [{ name: "write" }, { name: "write", path: "." }],
  // The tasks of operators are granted 127.0.0.1:0 only, beside their control socket.
  net: [
    { name: "net" },
    { name: "net", host: "127.0.0.1" },
    { name: "net", host: "127.0.0.1:0" },
  ],
  env: [
    { name: "env" },
    ...["SEALPOST_DEBUG", "SEALPOST_HOME", "SEALPOST_PASSPHRASE", "SUDO_USER"].map((variable) =>
      ({ name: "env", variable }) as const
    ),
  ],
  run: [{ name: "run" }, { name: "run", command: "/bin/sh" }],
  sys: [{ name: "sys" }, { name: "sys", kind: "hostname" }],
};

type Kind = "read" | "write" | "net" | "env" | "run" | "sys";

const NAMES = ["read", "write", "net", "env", "run", "sys"] as const satisfies readonly Kind[];

/**
 * Gives up for good what is not in `needed`. `variables` are those that any command reads: where the
 * right to read the environment was granted by name, the others go too. Deno cannot take single
 * variables from a right that was granted for all, which is what the executable has, and takes a
 * pattern such as `SEALPOST_*` whole: one of which something is needed stays.
 *
 * Throws `internal` if a right stays.
 */
export function giveUpOthers(needed: Rights, variables: readonly string[]): void {
  const { files = false, net = false, programs = false, host = false, variables: read = [] } =
    needed;
  const keep = { read: files, write: files, net, env: read.length > 0, run: programs, sys: host };
  for (const name of NAMES) if (!keep[name]) giveUp(name);
  if (Deno.permissions.querySync({ name: "env" }).state === "granted") return;
  const byPattern = isVariableGranted(`${PREFIX}OF_NO_MEANING`);
  for (const variable of variables) {
    if (variable.endsWith("*") || read.some((pattern) => covers(pattern, variable))) continue;
    if (byPattern && variable.startsWith(PREFIX)) continue;
    Deno.permissions.revokeSync({ name: "env", variable });
  }
}

/** How the variables begin that are this program's own. */
const PREFIX = "SEALPOST_";

function isVariableGranted(variable: string): boolean {
  return Deno.permissions.querySync({ name: "env", variable }).state === "granted";
}

/** Whether `pattern`, a name or `PREFIX_*`, stands for `variable`. */
function covers(pattern: string, variable: string): boolean {
  return pattern.endsWith("*") ? variable.startsWith(pattern.slice(0, -1)) : pattern === variable;
}

/** The kinds of rights that this process has now. Asks nobody. */
export function rightsLeft(): string[] {
  return NAMES.filter(isGranted);
}

function giveUp(name: Kind): void {
  Deno.permissions.revokeSync({ name });
  if (isGranted(name)) {
    throw new SealpostError("internal", `the right to ${name} cannot be given up`);
  }
}

function isGranted(name: Kind): boolean {
  return KINDS[name].some((use) => Deno.permissions.querySync(use).state === "granted");
}

/** Whether this process may start programs now (`/bin/sh`, which is all it is ever granted). Asks nobody. */
export function mayStartPrograms(): boolean {
  return isGranted("run");
}

/**
 * Gives up the right to start programs, for good: it must be gone before anything is read that
 * somebody else wrote. Throws `internal` if it stays.
 */
export function giveUpPrograms(): void {
  giveUp("run");
}

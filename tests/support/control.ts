import { join } from "@std/path";
import { controlPath } from "../../server/control/path.ts";
import { type Build, FROM_SOURCE } from "./program.ts";

/**
 * `build`, allowed to use the control socket of `dir`/server: Deno 2.7 wants nothing for that but the
 * right to the path, later ones want it named. An executable has the right.
 */
export function withControl(dir: string, build = FROM_SOURCE): Build {
  const socket = `unix:${controlPath(join(Deno.realPathSync(dir), "server"))}`;
  const args = build.args.map((arg) => {
    if (!arg.startsWith("--allow-net=")) return arg;
    return knowsLocalSockets() ? `${arg},${socket}` : arg;
  });
  return { command: build.command, args };
}

function knowsLocalSockets(): boolean {
  try {
    Deno.permissions.querySync({ name: "net", host: "unix:/socket" });
    return true;
  } catch {
    return false;
  }
}

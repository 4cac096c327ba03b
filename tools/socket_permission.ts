import { controlPath } from "../server/control/path.ts";
import { join } from "@std/path";

// For the tasks: prints what follows in --allow-net so that the control sockets of ./server and of the
// current folder may be used. Deno 2.7 wants read and write access to the path for that, and does not
// take it in --allow-net; later ones want it there, in full.

/** Whether this Deno knows permissions for local sockets. */
function isKnown(): boolean {
  try {
    Deno.permissions.querySync({ name: "net", host: "unix:/socket" });
    return true;
  } catch {
    return false;
  }
}

if (import.meta.main && isKnown()) {
  const paths = ["server", "."].map((dir) => controlPath(join(Deno.cwd(), dir)));
  console.log(paths.map((path) => `,unix:${path}`).join(""));
}

import { join } from "@std/path";

/** The folder of the control socket, in the server's folder, and the socket in it. */
export const CONTROL_FOLDER = "run";
const SOCKET_NAME = "sealpost.sock";

/** The control socket of the server whose folder is `dir`. */
export function controlPath(dir: string): string {
  return join(dir, CONTROL_FOLDER, SOCKET_NAME);
}

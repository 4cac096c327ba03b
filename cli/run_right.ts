import { SealpostError } from "../crypto/error.ts";

/** Whether this process may start programs now (`sh`, which is all it is ever granted). Asks nobody. */
export function mayStartPrograms(): boolean {
  return Deno.permissions.querySync({ name: "run", command: "sh" }).state === "granted";
}

/**
 * Gives up the right to start programs, for good: it must be gone before anything is read that
 * somebody else wrote.
 */
export function giveUpPrograms(): void {
  Deno.permissions.revokeSync({ name: "run" });
  if (mayStartPrograms()) {
    throw new SealpostError("internal", "the right to start programs cannot be given up");
  }
}

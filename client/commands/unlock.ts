import { formatTime, isoTime } from "../../cli/format.ts";
import { SealpostError } from "../../crypto/error.ts";
import { hasPassphrase } from "../../files/key_files.ts";
import { printableJson } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import { findProfile } from "../state/profile.ts";
import { orderWeb } from "../state/web_control.ts";
import { askPassphrase } from "../session.ts";
import { openTerminal } from "../terminal/terminal.ts";
import { parseLife, unlockKeys } from "../state/unlock.ts";
import { forgetUnlocked, noRuntimeFolder, runtimeFolder } from "../state/unlocked.ts";
import { type KeyOptions } from "./keyring.ts";

/** The `unlock` command: keeps the private key without its passphrase for a while. */
export async function unlock(options: KeyOptions & { readonly life: string }): Promise<void> {
  const life = parseLife(options.life);
  const terminal = openTerminal();
  const { dir, name } = await findProfile(options);
  if (!await hasPassphrase(dir, name)) {
    throw new SealpostError(
      "usage",
      `the private key of ${name} has no passphrase, so there is nothing to unlock`,
    );
  }
  if (runtimeFolder() === null) throw noRuntimeFolder();
  const ask = (attempt: number) => askPassphrase(terminal, name, attempt);
  const { until } = await unlockKeys(dir, name, life, ask, (error) => {
    throw error;
  });
  if (options.json) return terminal.print(printableJson({ unlocked: true, until: isoTime(until) }));
  terminal.print(
    `Unlocked until ${formatTime(until)}, or until you log out of this machine; ` +
      `"${PROGRAM} lock" ends it.`,
  );
}

/** The `lock` command: from now on the passphrase is asked for again, and an open page is shut. */
export async function lock(options: KeyOptions): Promise<void> {
  const terminal = openTerminal();
  const { dir, name } = await findProfile(options);
  const wasUnlocked = await forgetUnlocked(dir, name);
  const page = await orderWeb(dir, name, "lock") !== null;
  if (options.json) return terminal.print(printableJson({ unlocked: false, wasUnlocked, page }));
  if (page) terminal.print("The page is shut.");
  if (wasUnlocked || !page) terminal.print(wasUnlocked ? "Locked." : "It was not unlocked.");
}

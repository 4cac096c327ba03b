import { counted, formatSize, isoTime } from "../../cli/format.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import { formatServer } from "../../protocol/address.ts";
import { type CommonOptions, withMail } from "./common.ts";
import { usageText } from "../mailbox/quota.ts";
import { kitLine } from "../mailbox/kits.ts";
import { kitStateOf } from "./recovery.ts";

/** The `status` command: who one is, where, and how the mailbox stands. */
export async function status(options: CommonOptions): Promise<void> {
  await withMail(options, async ({ mail, profile, json, printJson, terminal }) => {
    const account = await mail.connection.ask({ op: "whoami" });
    const waiting = await mail.waiting();
    const fields = {
      name: mail.name,
      server: profile.address ? formatServer(profile.address) : null,
      folder: profile.dir,
      key: formatFingerprint(mail.identity.bundle.fp),
      messages: account.entries,
      unread: account.unseen,
      bytes: account.bytes,
      quota: account.quota ?? null,
      waiting: waiting.length,
      maxMessage: mail.hello?.maxMessage ?? null,
    };
    const kit = await kitStateOf(mail, account);
    if (json) {
      const date = kit.kind === "kept" ? isoTime(kit.date) : null;
      return printJson({ ...fields, kit: { state: kit.kind, date } });
    }
    terminal.print(`${fields.name} at ${fields.server}, keys in ${fields.folder}`);
    terminal.print(`Your key:  ${fields.key}`);
    terminal.print(
      `${counted(fields.messages, "message")}, ${fields.unread} unread, ${usageText(account)}`,
    );
    if (fields.maxMessage !== null) {
      terminal.print(`Largest message: ${formatSize(fields.maxMessage)}`);
    }
    terminal.print(kitLine(kit));
    if (fields.waiting > 0) terminal.print(`${fields.waiting} waiting in the outbox`);
  });
}

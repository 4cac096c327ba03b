import { fromUtf8, utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { PROGRAM } from "../../cli/program.ts";
import type { Mail } from "../mail.ts";
import { readForDisplay } from "../mailbox/show.ts";
import type { State } from "../state/state.ts";

const FILE = "setup";

const TEXT = [
  "This message was sealed on your machine, stored by the server, which",
  "cannot read it, fetched again, opened with your keys, and its signature",
  "was verified. So everything works.",
  "",
  `  ${PROGRAM} inbox                        what has come`,
  `  ${PROGRAM} send -t NAME -s "Hello"      write to somebody`,
  `  ${PROGRAM} help                         everything else`,
  "",
  "You can delete it.",
].join("\n");

/**
 * Sends a message to oneself, fetches it and compares it; only looks for new mail if that was done
 * before. Returns the id of the message; null if it was done before. Throws `internal` if it is another one that comes
 * back, and what sending, fetching and opening throw.
 */
export async function sendTestMessage(mail: Mail, state: State): Promise<string | null> {
  const done = await state.read(FILE);
  if (done !== null && fromUtf8(done) === "tested") {
    await mail.sync();
    return null;
  }
  const { id } = await mail.send({
    to: [mail.name],
    subject: "Welcome to Sealpost",
    text: TEXT,
    attachments: [],
  });
  const message = await mail.fetch(await mail.openMessage(id));
  try {
    const { text } = await readForDisplay(message);
    if (text.trimEnd() !== TEXT) {
      throw new SealpostError(
        "internal",
        "the test message came back with another text; please report this as a defect",
      );
    }
  } finally {
    await message.dispose();
  }
  await state.write(FILE, utf8("tested"));
  return id;
}

/** Looks for mail, and has no later setup send a test message: this person has mail already. */
export async function noTestMessage(mail: Mail, state: State): Promise<void> {
  await mail.sync();
  await state.write(FILE, utf8("tested"));
}

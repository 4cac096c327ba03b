import type { Mail } from "../../client/mail.ts";
import type { Opened } from "../../client/mailbox/open.ts";
import { concat } from "../../crypto/bytes.ts";

/** A message as it was before it was sealed, as text. */
export async function messageText(mail: Mail, opened: Opened): Promise<string> {
  const message = await mail.fetch(opened);
  try {
    const parts: Uint8Array[] = [];
    for await (const part of message.stream()) parts.push(part);
    return new TextDecoder().decode(concat(...parts));
  } finally {
    await message.dispose();
  }
}

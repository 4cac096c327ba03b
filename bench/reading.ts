// What a reader does with a large message once it is unsealed: take it apart, make it safe to print.

import { printable } from "../cli/printable.ts";
import { parseMessage } from "../client/message/parse.ts";
import { type Bytes, toBase64, utf8 } from "../crypto/bytes.ts";
import { time } from "./serving.ts";

/** Milliseconds to make `text` safe to print. */
export async function printText(text: string): Promise<number> {
  printable(text.slice(0, 1000), { lines: true });
  return await time(() => Promise.resolve(printable(text, { lines: true })));
}

/** Milliseconds to read a message with an attachment whose base64 has about `size` bytes. */
export async function readAttachment(size: number): Promise<number> {
  const line = `${toBase64(new Uint8Array(57).fill(0xa5))}\r\n`;
  const lines = utf8(line.repeat(Math.floor(65_536 / line.length)));
  const message = async function* (): AsyncGenerator<Bytes, void, undefined> {
    yield await Promise.resolve(utf8(
      "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    ));
    for (let sent = 0; sent < size; sent += lines.length) yield lines;
  };
  return await time(() => {
    return parseMessage(message(), {
      attachment: async (_part, content) => {
        for await (const _ of content);
      },
    });
  });
}

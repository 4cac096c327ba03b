import { assert, assertEquals, assertRejects } from "@std/assert";
import { SealpostError } from "../../crypto/error.ts";
import { formatContactCard, parseContactCard } from "../../protocol/contact_card.ts";
import { identityOf } from "../support/identities.ts";

const [alice, mallory] = await Promise.all([identityOf("alice"), identityOf("mallory")]);
const about = {
  name: "alice",
  server: { host: "mail.lan", port: 13000 },
  serverFp: new Uint8Array(32).fill(7),
  made: Date.parse("2026-11-22T10:15:00.900Z"),
};
const card = await formatContactCard(about, alice);

Deno.test("a contact is read as it was made, also out of a quoted message", async () => {
  for (
    const text of [
      card,
      `Hello\r\n${card.replaceAll("\n", "\r\n")}\r\nBye`,
      card.replaceAll(/^/gm, "> "),
      `${card}\n${await formatContactCard({ ...about, name: "bob" }, mallory)}`,
    ]
  ) {
    const { bundle, ...rest } = await parseContactCard(text);
    assertEquals(bundle.fp, alice.bundle.fp);
    assertEquals(rest, { ...about, made: Date.parse("2026-11-22T10:15:00Z") });
  }
  for (const line of card.split("\n")) assert(line.length <= 80, line);
});

Deno.test("a contact of which anything was changed is refused", async () => {
  const other = await formatContactCard(about, mallory);
  const bodyOf = (text: string) => text.split("\n\n")[1] ?? "";
  for (
    const text of [
      "",
      card.slice(0, 400),
      card.replace("Name: alice", "Name: alicia"),
      card.replace("mail.lan", "mail.lab"),
      card.replace("10:15:00Z", "10:16:00Z"),
      card.replace(/Server-Key: .*/, `Server-Key: ${/^Key: (SHA256.*)/m.exec(card)?.[1]}`),
      card.replace(/^Key: .*$/m, /^Key: .*$/m.exec(other)?.[0] ?? ""),
      card.replace(bodyOf(card), bodyOf(other)),
      card.replace("Name: alice", "Name: alice\nName: bob"),
      card.replace("Name: alice\n", ""),
      card.replace("Name: alice", "Name: ../alice"),
      card.replace(/\n([A-Za-z0-9+/]{64})\n([A-Za-z0-9+/]{64})\n/, "\n$2\n$1\n"),
      card.replace(/\n[A-Za-z0-9+/]{64}\n/, "\n"),
      // A byte of the signature, which ends the last line.
      card.replace(/[A-Za-z0-9+/](?=[A-Za-z0-9+/]{2}[A-Za-z0-9+/=]{0,2}\n-----END)/, (one) => {
        return one === "A" ? "B" : "A";
      }),
    ]
  ) {
    assert(text !== card);
    const error = await assertRejects(() => parseContactCard(text), SealpostError);
    assertEquals(error.code, "format", text);
    assert(!error.message.includes("\n"));
  }
});

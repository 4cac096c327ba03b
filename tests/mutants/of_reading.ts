import { type Mutant, one } from "./mutant.ts";

const UNSEAL = "client/message/unseal.ts";
const PEOPLE = "client/trust/people.ts";

/** Breakages of what a client does before it shows a message. */
export const OF_READING: readonly Mutant[] = [
  one(
    "the client does not check the commitment",
    UNSEAL,
    "  await checkCommitment(fileKey, header.commitment);\n",
    "",
  ),
  one(
    "the client does not compare the sender in the summary with the header's",
    UNSEAL,
    "if (!equal(fromBase64(from.fp), header.senderFp)) {",
    "if (!from) {",
  ),
  one(
    "the client does not verify that it was addressed",
    UNSEAL,
    "  await verifyStanza(sender, signature, head.header, stanzaFp(head.stanza));\n",
    "",
  ),
  one(
    "the client does not verify the summary",
    UNSEAL,
    "  await verifySummary(sender, opened, head.header);\n",
    "",
  ),
  one(
    "the client does not compare the message's size with the summary's",
    UNSEAL,
    "await opened.verified(summary.size);",
    "await opened.verified(opened.size);",
  ),
  one(
    "the client takes any key for a name that it knows",
    PEOPLE,
    "if (equal(pin.fp, fp)) return await this.#bundle(name);",
    "if (fp) return await this.#bundle(name);",
  ),
];

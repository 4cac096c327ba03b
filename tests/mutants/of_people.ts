import { type Mutant, one } from "./mutant.ts";

const NUMBER = "crypto/safety_number.ts";
const CARD = "protocol/contact_card.ts";
const UNLOCKED = "client/state/unlocked.ts";

/** Breakages of how people make sure of keys, and of what is kept of one's own. */
export const OF_PEOPLE: readonly Mutant[] = [
  one(
    "a group follows whoever sends a later list",
    "client/mailbox/groups.ts",
    "  if (!from || sender !== from.owner || later",
    "  if (!from || later",
  ),
  one(
    "a group that is not wanted is offered again",
    "client/mailbox/offered_groups.ts",
    "  if (record.entries.get(declinedKey(owner, list.name))?.value !== undefined) return null;\n",
    "",
  ),
  one(
    "a full name counts as signed whatever key signed it",
    "client/state/members.ts",
    "if (own && fp !== null && equal(own.fp, fp)) return",
    "if (own) return",
  ),
  one(
    "the safety number leaves the names out",
    NUMBER,
    "lp(utf8(name)), fp)",
    'lp(utf8("")), fp)',
  ),
  one(
    "one's own text is taken for the other's",
    NUMBER,
    "  return equal(utf8(given), utf8(number.expected));",
    "  return given.length === number.expected.length;",
  ),
  one(
    "a verification is kept with a new key",
    "client/state/pins.ts",
    "      pins.set(name, { ...newPin(name, bundle), former });\n",
    "      pins.set(name, { ...newPin(name, bundle), former, verified: old?.verified ?? null });\n",
  ),
  one(
    "a name is verified with whatever key",
    "client/state/pins.ts",
    "  if (!equal(pin.fp, fp)) throw keyChanged(pin, fp);\n",
    "",
  ),
  one(
    "a mark stays while another key is offered",
    "client/trust/verification.ts",
    "  if (pin?.offered) {",
    "  if (pin?.offered && !pin.verified) {",
  ),
  one(
    "the signature of a contact is not verified",
    CARD,
    "  if (!await verify(bundle.ed25519Key, bytes.slice(-SIGNATURE_SIZE), signed(card))) {",
    "  if (!bundle.ed25519Key) {",
  ),
  one(
    "what was unlocked does not end",
    UNLOCKED,
    "now >= until || ",
    "",
  ),
  one(
    "the end of what was unlocked can be put off",
    UNLOCKED,
    "  return concat(utf8(LABEL), header, lp(utf8(name)));",
    "  return concat(utf8(LABEL), header.subarray(0, 17), lp(utf8(name)));",
  ),
  one(
    "the key to what was unlocked may be read by others",
    UNLOCKED,
    "    await requirePrivate(keyPath);\n",
    "",
  ),
  one(
    "tickets outlive a logout from everywhere",
    "server/requests/logout.ts",
    "    tickets = await store.dropTickets(name);",
    "    tickets = 0;",
  ),
  one(
    "a command keeps the rights that it has no use for",
    "cli/rights.ts",
    "if (!keep[name]) giveUp(name);",
    "if (!keep[name]) continue;",
  ),
  one(
    "the right to start programs outlives the start of the editor's shell",
    "commands/editor.ts",
    "  giveUpPrograms();\n  return tools;",
    "  return tools;",
  ),
];

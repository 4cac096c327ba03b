import { type Mutant, one } from "./mutant.ts";

const LINK = "protocol/link.ts";
const KIT = "protocol/kit.ts";
const KITS = "client/mailbox/kits.ts";
const REMOVED = "client/mailbox/removed_machines.ts";
const MACHINE = "client/setup/machine.ts";
const LINKS = "server/accounts/links.ts";

/** Breakages of links, kits and packages. */
export const OF_MACHINES: readonly Mutant[] = [
  one(
    "a post is taken from whoever sends one",
    LINK,
    "if (equal(await macOf(code, fp, before), post.mac)) fits = true;",
    "if (fp.length > 0) fits = true;",
  ),
  one(
    "a post does not say to which server it was sent",
    LINK,
    "return await hmacSha256(key, concat(serverFp, before));",
    "return await hmacSha256(key, before.slice(0, before.length + 0 * serverFp.length));",
  ),
  one(
    "a link's package rests on ML-KEM and the words alone",
    LINK,
    "const ikm = concat(secret, shared, code);",
    "const ikm = concat(secret, code);",
  ),
  one(
    "a kit rests on X25519 alone",
    KIT,
    "const ikm = concat(secret, shared);",
    "const ikm = concat(shared);",
  ),
  one(
    "the words that are compared are those of the link's id",
    LINK,
    "return sha256(post);",
    "return sha256(post.slice(0, LINK_ID));",
  ),
  one(
    "a kit is taken from whoever knows its public keys",
    KIT,
    "if (!equal(id, head.id) || !equal(own, kit.slice(macAt))) throw notOurs();",
    "if (!equal(id, head.id) || own.length === 0) throw notOurs();",
  ),
  one(
    "a login says nothing of a kit that was fetched",
    KITS,
    "(kit.fetched ?? 0) > fetched ? kitLine(kit) : null;",
    "(kit.fetched ?? 0) < fetched ? kitLine(kit) : null;",
  ),
  one(
    "a login says nothing of a kit that has vanished",
    KITS,
    "if (told?.vanished === vanished || Date.now()",
    "if (told !== null || Date.now()",
  ),
  one(
    "what a lost machine verified stays verified",
    REMOVED,
    "await mail.people.pins.revokeVerification(name);",
    "",
  ),
  one(
    "nobody learns that a removal was broken off",
    "client/account/removal.ts",
    "        await file.save(begun);\n",
    "",
  ),
  one(
    "a removal that was broken off begins from its start",
    "client/account/removal.ts",
    "const goesOn = !equal(begun.from, fp);",
    "const goesOn = !equal(fp, fp);",
  ),
  one(
    "the kit outlives the machine that was lost",
    REMOVED,
    "if (knownKit(record) !== null) await dropKit",
    "if (knownKit(record) === null) await dropKit",
  ),
  one(
    "a kit that a lost machine knows gets the new keys",
    "client/account/rotation.ts",
    "if (await new RemovalFile(mail.state).load() !== null) return;",
    "if (await new RemovalFile(mail.state).load() === null) return;",
  ),
  one(
    "a machine that was removed stays off the list though it is back",
    REMOVED,
    "last === null || last <= parsed.output.at;",
    "last !== 0 || last <= parsed.output.at;",
  ),
  one(
    "keys are replaced by any others that a package brings",
    MACHINE,
    "if (replaces && !one.retired.some(({ short }) => short === present)) {",
    "if (replaces && dir.length === 0) {",
  ),
  one(
    "former keys are overwritten by a package's",
    MACHINE,
    "if (short === present || await isThere(path)) continue;",
    "if (short === present) continue;",
  ),
  one(
    "a server that hands out a kit is pinned whatever key it has",
    MACHINE,
    "return last === undefined || isPresentServer(one, answered) ? answered : await decodeBundle(last);",
    "return last === undefined || answered ? answered : await decodeBundle(last);",
  ),
  one(
    "a package may hide something in its padding",
    "protocol/device_package.ts",
    "padme(4 + length) !== padded.length || !isZero(padded.subarray(4 + length))",
    "padme(4 + length) !== padded.length || !isZero(padded.subarray(padded.length))",
  ),
  one(
    "a link is found by two machines",
    LINKS,
    "if (link === undefined || link.visited) return null;",
    "if (link === undefined) return null;",
  ),
  one(
    "a link is answered by anybody who has logged in",
    LINKS,
    "if (link?.owner !== owner || link.take === null) throw gone();",
    'if (link === undefined || owner.name === "" || link.take === null) throw gone();',
  ),
  one(
    "a link waits as long as its session lasts",
    LINKS,
    "const timer = setTimeout(() => this.#end(id, false), this.#life);",
    "const timer = setTimeout(() => {}, this.#life);",
  ),
  one(
    "a kit is put and removed with a ticket",
    "server/requests/kit.ts",
    "if (session.exporter !== null) return;",
    'if (session.name !== "") return;',
  ),
  one(
    "guesses at the ids of links and kits cost nothing",
    "server/visit.ts",
    '  context.penalties.add(slot.source, "login");\n',
    "",
  ),
  one(
    "nobody learns that a kit was fetched",
    "server/store/statements.ts",
    'fetchKit: "UPDATE kit SET fetched_at = ? WHERE id = ? RETURNING',
    'fetchKit: "UPDATE kit SET fetched_at = iif(?, fetched_at, NULL) WHERE id = ? RETURNING',
  ),
  one(
    "a kit counts as renewed before the server has it",
    "client/mailbox/kits.ts",
    `  await put(connection, next, pack);
  await remember(shared, next, (record) => {`,
    `  await remember(shared, next);
  await put(connection, next, pack);
  await remember(shared, next, (record) => {`,
  ),
];

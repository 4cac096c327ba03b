import { join } from "@std/path";
import { PASSWORD_RULE, passwordProblem } from "../../cli/password_rule.ts";
import { type Bytes, concat, fromUtf8, wipe } from "../../crypto/bytes.ts";
import { defined } from "../../crypto/defined.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import { hashPassword } from "../../crypto/phc.ts";
import { type Address, formatAddress, parseAddress } from "../../protocol/address.ts";
import { parseFullName } from "../../protocol/name.ts";
import { formatInvitation, MAX_SERVERS } from "../../protocol/invitation.ts";
import { loadBundle, publicKeyPath, SERVER_NAME } from "../../files/key_files.ts";
import { readFileBounded, writeFileAtomic } from "../../files/atomic_file.ts";
import { makeFolderWhole } from "../../files/new_folder.ts";
import { findServerFolder } from "../../files/server_folder.ts";
import { MAX_TITLE } from "../../protocol/limits.ts";
import { encodePassword } from "../../protocol/login.ts";
import { variable } from "../../cli/environment.ts";
import { nameArgument } from "../../cli/options.ts";
import { formatTime, timesAsIso } from "../../cli/format.ts";
import { PROGRAM } from "../../cli/program.ts";
import { randomPassword } from "../../crypto/random_password.ts";
import { askSecret, canAskSecret, readInputLine } from "../../cli/secret_input.ts";
import { AuditLog } from "../observe/audit.ts";
import { requireAnnouncement } from "./announce.ts";
import { callControl } from "./client.ts";
import { Operations } from "./operations.ts";
import {
  type Caller,
  type ControlOp,
  type ControlRequest,
  type ControlResult,
  decodeControlAnswer,
  encodeControlAnswer,
  MAX_ANNOUNCEMENT,
  type UserInfo,
} from "./protocol.ts";
import { stderrLog } from "../observe/log.ts";
import { formatSessions, formatStats, formatUsers, quantity } from "./report.ts";
import { settingsAround } from "../settings/environment.ts";
import { loadSettings } from "../settings/settings.ts";
import { formatUserState } from "../accounts/user_state.ts";
import { openStore, openUsers } from "../accounts/open_store.ts";

const DAY = 86_400_000;

/** Options of every operator's command. */
export interface OperateOptions {
  /** The server's folder; default: as `serve` finds it. */
  readonly dir: string | undefined;
  /** Whether to print what the server answered as JSON. */
  readonly json: boolean;
}

/** Options of a command about one user. */
export interface UserOptions extends OperateOptions {
  readonly name: string;
}

/** How a user gets a password. */
export interface PasswordOptions extends UserOptions {
  readonly passwordStdin: boolean;
  readonly generate: boolean;
  readonly invite: boolean;
  /** Days until the one-time password of an invitation ends. */
  readonly days: number;
  /** Where people reach the server, `HOST[:PORT]`, separated by commas; for an invitation. */
  readonly address: string | undefined;
  readonly downloadUrl: string | undefined;
  readonly downloadSha256: string | undefined;
  /** The new user's full name. */
  readonly fullName?: string;
}

/** Where people get the program, and the SHA-256 of what is there, 64 hexadecimal digits. */
interface Download {
  readonly url: string;
  readonly sha256: string;
}

/** `user add` for one. Throws `usage` for several. */
export async function addUser(
  { names, ...options }: Omit<PasswordOptions, "name"> & { readonly names: readonly string[] },
): Promise<void> {
  const [name = "", ...others] = names;
  if (others.length > 0) {
    throw new SealpostError(
      "usage",
      "several at once need --invite-dir DIR, for their invitations",
    );
  }
  await setPassword("user-add", { ...options, name });
}

/** `user add` with a folder for invitations. */
export interface InviteOptions extends OperateOptions {
  readonly names: readonly string[];
  /** A folder that is not there, or empty: it gets a file NAME.txt for each. */
  readonly into: string;
  readonly days: number;
  readonly address: string | undefined;
  readonly downloadUrl: string | undefined;
  readonly downloadSha256: string | undefined;
  readonly passwordStdin: boolean;
  readonly generate: boolean;
  readonly fullName?: string;
}

/**
 * `user add` for several, each with an invitation in a file of their own. Nobody is added if one of them is
 * there already; the file of somebody who could not be added is removed.
 */
export async function inviteUsers(options: InviteOptions): Promise<void> {
  const names = [...new Set(options.names.map(nameArgument))];
  if (options.passwordStdin || options.generate || options.fullName !== undefined) {
    throw new SealpostError(
      "usage",
      "--invite-dir makes the passwords itself, and has no full names: set these with user full-name",
    );
  }
  const download = downloadOf(options);
  const dir = await folderOf(options);
  const servers = await serversFor(dir, options.address);
  const { users } = await perform(dir, "user-list", { op: "user-list", by: caller() });
  const there = names.filter((name) => users.some((user) => user.name === name));
  if (there.length > 0) {
    throw new SealpostError("file-exists", `there already: ${there.join(", ")}; nobody was added`);
  }
  const expires = expiryAfter(options.days);
  const { fp } = await loadBundle(publicKeyPath(dir, SERVER_NAME));
  const credentials = new Map<string, string>();
  await makeFolderWhole(options.into, async (folder) => {
    for (const name of names) {
      const password = randomPassword();
      credentials.set(name, await credentialOf(password, expires));
      const text = formatInvitation({ name, servers, fp, password, expires });
      await writeFileAtomic(
        join(folder, `${name}.txt`),
        invitationLetter(name, text, expires, download),
        {
          mode: 0o600,
        },
      );
    }
  });
  const added: UserInfo[] = [];
  try {
    for (const [name, credential] of credentials) {
      const request = { op: "user-add", by: caller(), name, credential } as const;
      added.push((await perform(dir, "user-add", request)).user);
      if (!options.json) console.error(`Added ${name}: ${join(options.into, `${name}.txt`)}`);
    }
  } catch (error) {
    // A server that did not answer may have added the one whose turn it was: their letter stays.
    const unsure = isSealpostError(error, "busy") ? 1 : 0;
    for (const name of names.slice(added.length + unsure)) {
      await Deno.remove(join(options.into, `${name}.txt`)).catch(() => {});
    }
    throw error;
  }
  if (options.json) return printJson({ users: added, folder: options.into });
  console.error(
    `Good until ${
      formatTime(expires)
    }. Send each its file, so that nobody else reads it: whoever uses an ` +
      "invitation first is who it is for.",
  );
}

/** An invitation with what its reader has to do. */
function invitationLetter(
  name: string,
  invitation: string,
  expires: number,
  download: Download | null,
): string {
  return [
    `You are invited to a group that writes sealed mail with Sealpost, as ${name}.`,
    "",
    ...downloadLines(download),
    `Then run "${PROGRAM} setup" and paste this whole text. It works once, until ${
      formatTime(expires)
    };`,
    "whoever uses it first is you: show it to nobody.",
    "",
    invitation,
  ].join("\n");
}

function downloadLines(download: Download | null): string[] {
  if (download === null) return ["Get the program from whoever sent you this."];
  return [
    `Get the program: ${download.url}`,
    `The SHA-256 of that file is ${download.sha256}`,
    "(sha256sum FILE; on macOS shasum -a 256 FILE; on Windows certutil -hashfile FILE SHA256).",
  ];
}

/** Throws `usage` for an address without a checksum, a checksum without an address, and what is neither. */
function downloadOf(
  { downloadUrl, downloadSha256 }: Pick<InviteOptions, "downloadUrl" | "downloadSha256">,
): Download | null {
  if (downloadUrl === undefined && downloadSha256 === undefined) return null;
  if (downloadUrl === undefined || downloadSha256 === undefined) {
    throw new SealpostError(
      "usage",
      "--download-url and --download-sha256 go together: who fetches the program can then check it",
    );
  }
  if (!/^https?:\/\/[!-~]+$/.test(downloadUrl) || !URL.canParse(downloadUrl)) {
    throw new SealpostError(
      "usage",
      "--download-url is an address that begins with https:// or http://",
    );
  }
  if (!/^[0-9a-f]{64}$/i.test(downloadSha256)) {
    throw new SealpostError(
      "usage",
      "--download-sha256 is 64 hexadecimal digits, as sha256sum prints them",
    );
  }
  return { url: downloadUrl, sha256: downloadSha256.toLowerCase() };
}

/** When an invitation of today ends, milliseconds since 1970, to the second. */
function expiryAfter(days: number): number {
  return Math.floor((Date.now() + days * DAY) / 1000) * 1000;
}

/** What stands for `password` in user_pass.json. */
async function credentialOf(password: string, expires: number | null): Promise<string> {
  const bytes = encodePassword(password);
  try {
    return formatUserState({ phc: await hashPassword(bytes), disabled: false, expires });
  } finally {
    wipe(bytes);
  }
}

/** `user add` and `user passwd`. */
export async function setPassword(
  op: "user-add" | "user-passwd",
  options: PasswordOptions,
): Promise<void> {
  const name = nameArgument(options.name);
  requireOneWay(options);
  const dir = await folderOf(options);
  const fullName = options.fullName === undefined ? undefined : parseFullName(options.fullName);
  const servers = options.invite ? await serversFor(dir, options.address) : [];
  const download = downloadOf(options);
  if (download && !options.invite) {
    throw new SealpostError("usage", "--download-url is for an invitation; add --invite");
  }
  const expires = options.invite ? expiryAfter(options.days) : null;
  const { password, shown } = await newPassword(name, options);
  const credential = await credentialOf(password, expires);
  const { user, ...rest } = await perform(
    dir,
    op,
    op === "user-add"
      ? { op, by: caller(), name, credential, ...defined({ fullName }) }
      : { op, by: caller(), name, credential },
  );
  const invitation = expires === null ? null : {
    expires,
    text: formatInvitation({
      name,
      servers,
      fp: (await loadBundle(publicKeyPath(dir, SERVER_NAME))).fp,
      password,
      expires,
    }),
  };
  if (options.json) {
    return printJson({
      user,
      ...rest,
      ...shown ? { password } : {},
      ...invitation === null ? {} : { invitation: invitation.text },
    });
  }
  console.error(
    "ended" in rest ? `${name} has a new password${alsoEnded(rest.ended)}.` : `Added ${name}.`,
  );
  if ("existed" in rest && rest.existed) {
    console.error(
      user.key === null
        ? `Mail of an earlier user ${name} is still there; \`${PROGRAM} user remove ${name} ` +
          "--purge` removes it."
        : `An earlier user ${name} left mail, and the account is bound to the key ${user.key}; ` +
          `for somebody else, \`${PROGRAM} user remove ${name} --purge\` and add ${name} again.`,
    );
  }
  if (invitation !== null) {
    for (const line of download ? downloadLines(download) : []) console.log(line);
    console.log(invitation.text.trimEnd());
    console.error(
      `Good until ${
        formatTime(invitation.expires)
      }. Send it so that nobody else reads it: whoever uses it ` +
        `first is ${name}.`,
    );
  } else if (shown) {
    console.log(password);
  }
}

/** `user full-name`: sets it, or with an empty text takes it away. */
export async function setFullName(
  options: UserOptions & { readonly fullName: string },
): Promise<void> {
  const name = nameArgument(options.name);
  const fullName = options.fullName.trim() === "" ? null : parseFullName(options.fullName);
  const dir = await folderOf(options);
  const request = { op: "user-full-name", by: caller(), name, fullName } as const;
  const result = await perform(dir, "user-full-name", request);
  if (options.json) return printJson(result);
  console.log(fullName === null ? `${name} has no full name.` : `${name} is ${fullName}.`);
}

/** `user disable` and `user enable`. */
export async function setAble(
  op: "user-disable" | "user-enable",
  options: UserOptions,
): Promise<void> {
  const name = nameArgument(options.name);
  const dir = await folderOf(options);
  const result = await perform(dir, op, { op, by: caller(), name });
  if (options.json) return printJson(result);
  console.log(
    op === "user-disable"
      ? `${name} is disabled${alsoEnded(result.ended)}. Mail to ${name} is still taken.`
      : `${name} is enabled.`,
  );
}

/** `user unbind`; with `sameKey` the key may be bound again. */
export async function unbindUser(
  options: UserOptions & { readonly sameKey: boolean },
): Promise<void> {
  const { sameKey } = options;
  const name = nameArgument(options.name);
  const dir = await folderOf(options);
  const request = { op: "user-unbind", by: caller(), name, sameKey } as const;
  const result = await perform(dir, "user-unbind", request);
  if (options.json) return printJson(result);
  if (result.key === null) return console.log(`${name} is bound to no key.`);
  console.log(`${name} is released from the key ${result.key}${alsoEnded(result.ended)}.`);
  console.log(
    sameKey
      ? "The next login with the right password binds the key that it brings, that one too."
      : "The next login with the right password binds the key that it brings, but never that one " +
        `again, unless: ${PROGRAM} user unbind ${name} --same-key`,
  );
  const steps = [
    `If somebody else may know the password, or ${name} has no key file any more: ` +
    `${PROGRAM} user passwd ${name} --invite, and send them what it prints.`,
    `${name} runs ${PROGRAM} setup, which makes new keys and binds them.`,
    `${PROGRAM} user list shows the new key: have ${name} read theirs to you.`,
    `Tell the others, not by mail: who writes to ${name} is stopped until the two have compared keys.`,
  ];
  for (const [i, step] of steps.entries()) console.log(`${i + 1}. ${step}`);
}

/** `user remove`. */
export async function removeUser(
  options: UserOptions & { readonly purge: boolean; readonly yes: boolean },
): Promise<void> {
  const { purge } = options;
  const name = nameArgument(options.name);
  const dir = await folderOf(options);
  if (purge && !options.yes) {
    Deno.stderr.writeSync(
      new TextEncoder().encode(`Remove ${name} with all mail and the key, for good? [y/N] `),
    );
    if (!/^\s*y(es)?\s*$/i.test(readInputLine() ?? "")) {
      throw new SealpostError("cancelled", "nothing was removed");
    }
  }
  const request = { op: "user-remove", by: caller(), name, purge } as const;
  const result = await perform(dir, "user-remove", request);
  if (options.json) return printJson(result);
  console.log(
    result.purged === null
      ? `${name} is removed${alsoEnded(result.ended)}; mail and key stay, in case ${name} is back.`
      : `${name} is removed${alsoEnded(result.ended)}, with ${quantity(result.purged, "message")}.`,
  );
}

/** `user list`. */
export async function showUsers(options: OperateOptions): Promise<void> {
  const dir = await folderOf(options);
  const result = await perform(dir, "user-list", { op: "user-list", by: caller() });
  if (options.json) return printJson(result);
  console.log(result.users.length === 0 ? "There are no users." : formatUsers(result.users));
}

/** `sessions list`. */
export async function showSessions(options: OperateOptions): Promise<void> {
  const dir = await folderOf(options);
  const result = await perform(dir, "sessions-list", { op: "sessions-list", by: caller() });
  if (options.json) return printJson(result);
  console.log(
    result.sessions.length === 0 ? "Nobody is logged in." : formatSessions(result.sessions),
  );
  tellMissing(result.missing);
}

/** Says which servers are not in what was shown. */
function tellMissing(missing: readonly string[]): void {
  for (const node of missing) {
    console.error(`${PROGRAM}: not included, for lack of an answer: ${node}`);
  }
}

/** `sessions end`: those of a user, or the one with a number. */
export async function endSessions(
  options: OperateOptions & { readonly who: string },
): Promise<void> {
  // A name may be a number too; `#7` is the session for sure.
  const id = /^#(\d{1,15})$/.exec(options.who)?.[1];
  const who = id === undefined ? nameArgument(options.who) : Number(id);
  const dir = await folderOf(options);
  const result = await perform(dir, "sessions-end", { op: "sessions-end", by: caller(), who });
  if (options.json) return printJson(result);
  console.log(`Ended ${quantity(result.ended, "session")}.`);
}

/** `stats`. */
export async function showStats(options: OperateOptions): Promise<void> {
  const dir = await folderOf(options);
  const result = await perform(dir, "stats", { op: "stats", by: caller() });
  if (options.json) return printJson(result);
  console.log(formatStats(result));
  tellMissing(result.missing);
}

/** `reload`. */
export async function reload(options: OperateOptions): Promise<void> {
  const dir = await folderOf(options);
  const result = await perform(dir, "reload", { op: "reload", by: caller() });
  if (options.json) return printJson(result);
  console.log(`Read again; there are ${quantity(result.users, "user")}.`);
  for (const { name, from, to } of result.applied) console.log(`  ${name}: ${from} -> ${to}`);
  for (const { name, to } of result.waiting) {
    console.log(`  ${name} will be ${to} after a restart`);
  }
}

/** What `announce` was given. */
export interface AnnounceOptions extends OperateOptions {
  readonly subject?: string;
  /** A file with the text; `-` or nothing for standard input. */
  readonly file?: string;
  /** Where the server is from now on, best first; empty if it stays where it is. */
  readonly newAddress: readonly string[];
  readonly yes: boolean;
}

/** `announce`: tells everybody something, signed with the server's key. */
export async function announceToAll(options: AnnounceOptions): Promise<void> {
  const servers = options.newAddress.flatMap((text) => text.split(","))
    .map((text) => formatAddress(parseAddress(text)));
  if (servers.length > MAX_SERVERS) {
    throw new SealpostError("usage", `a notice names at most ${MAX_SERVERS} addresses`);
  }
  const moves = servers.length > 0;
  const subject = options.subject ?? (moves ? "The server has another address" : undefined);
  if (subject === undefined || subject.trim() === "") {
    throw new SealpostError("usage", "an announcement needs a subject: --subject TEXT");
  }
  if ([...subject].length > MAX_TITLE) {
    throw new SealpostError("limit", `a subject has at most ${MAX_TITLE} characters`);
  }
  const dir = await folderOf(options);
  const reads = options.file !== undefined || !moves || !Deno.stdin.isTerminal();
  const given = reads ? await announcementText(options.file ?? "-") : "";
  const text = given.trim() === "" && moves ? noticeText(servers) : given;
  if (text.length > MAX_ANNOUNCEMENT) {
    throw new SealpostError(
      "limit",
      `an announcement has at most ${MAX_ANNOUNCEMENT} characters, and this one ${text.length}`,
    );
  }
  requireAnnouncement({ subject, text, servers });
  if (!options.yes && Deno.stdin.isTerminal()) {
    const what = moves ? ` and asks them to use ${servers.join(", ")} from now on` : "";
    Deno.stderr.writeSync(
      new TextEncoder().encode(
        `This goes to every user${what}; nobody can take it back. Send it? [y/N] `,
      ),
    );
    if (!/^\s*y(es)?\s*$/i.test(readInputLine() ?? "")) {
      throw new SealpostError("cancelled", "nothing was announced");
    }
  }
  const result = await perform(dir, "announce", {
    op: "announce",
    by: caller(),
    subject,
    text,
    ...moves && { servers },
  });
  if (options.json) return printJson(result);
  console.log(`Announced to ${quantity(result.sent, "user")}.`);
  if (result.without.length === 0) return;
  console.error(`Not to those who have never connected: ${result.without.join(", ")}.`);
}

function noticeText(servers: readonly string[]): string {
  return [
    `From now on the server is at ${servers.join(", ")}.`,
    "",
    "Your program asks you once whether to use that address.",
    "",
  ].join("\n");
}

/** The text of an announcement, with LF. Throws `limit`, `format`, `file-missing`, `file-io`. */
async function announcementText(file: string): Promise<string> {
  const most = 4 * MAX_ANNOUNCEMENT;
  if (file !== "-") return linesOf(fromUtf8(await readFileBounded(file, most)));
  if (Deno.stdin.isTerminal()) {
    console.error("Type the announcement; Ctrl-D on a line of its own ends it.");
  }
  const pieces: Bytes[] = [];
  const buffer = new Uint8Array(65_536);
  for (let size = 0;;) {
    const n = await Deno.stdin.read(buffer);
    if (n === null) break;
    size += n;
    if (size > most) throw new SealpostError("limit", `an announcement has at most ${most} bytes`);
    pieces.push(buffer.slice(0, n));
  }
  return linesOf(fromUtf8(concat(...pieces)));
}

function linesOf(text: string): string {
  return text.replace(/^\ufeff/, "").replaceAll("\r\n", "\n");
}

async function folderOf({ dir }: OperateOptions): Promise<string> {
  return dir ?? await findServerFolder();
}

/**
 * Has the running server do what is asked. Where none runs, what is about users is done to its folder
 * directly, under the store's lock.
 */
async function perform<O extends ControlOp>(
  dir: string,
  op: O,
  request: ControlRequest & { readonly op: O },
): Promise<ControlResult<O>> {
  try {
    return await callControl(dir, op, request);
  } catch (error) {
    if (!isSealpostError(error, "unreachable")) throw error;
    if (op.startsWith("user-") || op === "server-info") return await offline(dir, op, request);
    throw new SealpostError(
      "unreachable",
      `no server is running in ${dir}; this command needs one`,
      { cause: error },
    );
  }
}

async function offline<O extends ControlOp>(
  dir: string,
  op: O,
  request: ControlRequest,
): Promise<ControlResult<O>> {
  const bundle = await loadBundle(publicKeyPath(dir, SERVER_NAME));
  const { values } = await loadSettings(dir, { environment: settingsAround() });
  const { publicAddress, quota } = values;
  const log = stderrLog({ level: "warn" });
  const usersOptions = {
    onProblem: (message: string) => log.warn("user_pass.json", { problem: message }),
  };
  // First, so that no store is made where user_pass.json cannot be used.
  const fileUsers = values.store === null ? await openUsers(dir, null, usersOptions) : null;
  const { store, shared } = await openStore(dir, values).catch((error) => {
    fileUsers?.close();
    if (!isSealpostError(error, "busy") || values.store !== null) throw error;
    throw new SealpostError(
      "busy",
      `a server runs in ${dir}, but its control socket does not answer; try again in a moment, ` +
        "else its log says why (on Windows there is none: stop the server for this)",
      { cause: error },
    );
  });
  try {
    const users = fileUsers ?? await openUsers(dir, shared, usersOptions);
    try {
      const operations = new Operations({
        users,
        store,
        audit: new AuditLog(dir, log),
        server: {
          addresses: publicAddress.map(formatAddress),
          fingerprint: formatFingerprint(bundle.fp),
        },
        quota: () => quota,
        running: null,
      });
      return decodeControlAnswer(
        op,
        encodeControlAnswer({ result: await operations.run(request) }),
      );
    } finally {
      users.close();
    }
  } finally {
    await store.close();
  }
}

function requireOneWay({ passwordStdin, generate, invite, address }: PasswordOptions): void {
  if ([passwordStdin, generate, invite].filter((way) => way).length > 1) {
    throw new SealpostError(
      "usage",
      "--password-stdin, --generate and --invite are three ways to one password; give one of them",
    );
  }
  if (address !== undefined && !invite) {
    throw new SealpostError("usage", "--address is for an invitation; add --invite");
  }
}

async function newPassword(
  name: string,
  { passwordStdin, generate, invite }: PasswordOptions,
): Promise<{ readonly password: string; readonly shown: boolean }> {
  if (generate || invite) return { password: randomPassword(), shown: generate };
  const piped = passwordStdin && !Deno.stdin.isTerminal();
  if (!piped && !canAskSecret()) {
    throw new SealpostError(
      "secret-needed",
      "no password: use --generate, --invite, or --password-stdin with one line piped in",
    );
  }
  if (!piped) console.error(PASSWORD_RULE);
  const password = piped ? readInputLine() : await typedSecret(`New password of ${name}: `);
  if (password === null || password === "") {
    throw new SealpostError("cancelled", "no password was given; nothing was changed");
  }
  const problem = passwordProblem(password);
  if (problem !== null) {
    throw new SealpostError("usage", `${problem}; nothing was changed`);
  }
  if (!piped && await typedSecret("Once more: ") !== password) {
    throw new SealpostError("cancelled", "the two are not the same; nothing was changed");
  }
  return { password, shown: false };
}

async function typedSecret(prompt: string): Promise<string | null> {
  const secret = await askSecret(prompt);
  if (secret === null) return null;
  try {
    return fromUtf8(secret);
  } finally {
    wipe(secret);
  }
}

async function serversFor(dir: string, address: string | undefined): Promise<Address[]> {
  const info = await perform(dir, "server-info", { op: "server-info", by: caller() });
  const given = address?.split(",") ?? info.addresses;
  if (given.length === 0 || given.length > MAX_SERVERS) {
    throw new SealpostError(
      "usage",
      `say where people reach the server: --address HOST[:PORT], up to ${MAX_SERVERS} of them ` +
        "with commas between",
    );
  }
  return given.map((one) => parseAddress(one));
}

/** The operator who runs this command, for the audit log. */
function caller(): Caller {
  const operator = variable("SUDO_USER") || variable("USER");
  return operator ? { pid: Deno.pid, operator: operator.slice(0, 64) } : { pid: Deno.pid };
}

function alsoEnded(ended: number): string {
  return ended === 0 ? "" : `, and ${quantity(ended, "session")} ended`;
}

function printJson(value: unknown): void {
  const times = timesAsIso("expires", "boundAt", "lastSeen", "since", "lastReceived", "startedAt");
  console.log(JSON.stringify(value, times, 2));
}

import { type Bytes, equal, wipe } from "./crypto/bytes.ts";
import { NextKeys } from "./files/next_keys.ts";
import { CHAIN_NAME, chainTo, readServerChain, writeServerChain } from "./files/server_chain.ts";
import { certifyServer } from "./protocol/rotation.ts";
import { isSealpostError, SealpostError } from "./crypto/error.ts";
import { bundleToPem, encodeBundle, formatFingerprint } from "./crypto/identity.ts";
import { RSA_BITS } from "./crypto/rsa.ts";
import { writeFileAtomic } from "./files/atomic_file.ts";
import {
  ensurePrivateDir,
  isThere,
  loadBundle,
  loadIdentity,
  loadPrivateKey,
  privateKeyPath,
  publicKeyPath,
  requireNoKeys,
  retiredPath,
  saveIdentityFiles,
  savePublicKey,
  SERVER_NAME,
} from "./files/key_files.ts";
import { claimFolder, isNewOrOwn } from "./files/own_folders.ts";
import { findServerKey } from "./files/server_folder.ts";
import { makeIdentity } from "./cli/make_identity.ts";
import { nameArgument } from "./cli/options.ts";
import { PROGRAM } from "./cli/program.ts";
import { randomPassword } from "./crypto/random_password.ts";
import {
  askSecret,
  canAskSecret,
  passphraseBytes,
  passphraseFromEnvironment,
  passphrasePrompt,
} from "./cli/secret_input.ts";
import { join } from "@std/path";

/** What `keygen` is asked to do. */
export interface KeygenOptions {
  /** `server`, or a user's name. */
  readonly name: string;
  /** Where the keys go; `./NAME` if not given. */
  readonly dir?: string | undefined;
  /** Whether to encrypt the private key. */
  readonly passphrase?: boolean;
  /** Size of the RSA modulus, bits; 3072 if not given. */
  readonly bits?: number;
  /** Whether to replace keys that are there. */
  readonly force?: boolean;
  /** Whether a server runs with the keys that are there now. */
  readonly serverRuns?: boolean;
  /** Whether the server's keys take the place of the present ones by certificate. */
  readonly rotate?: boolean;
  /** Whether only to write the public key file anew. */
  readonly publicOnly?: boolean;
  /** Whether to print JSON. */
  readonly json?: boolean;
}

/** What a command left on the disk, for its report. */
interface Written {
  readonly role:
    | "private"
    | "public"
    | "retired"
    | "rotations"
    | "server_public"
    | "files"
    | "user_pass";
  readonly path: string;
  readonly note: string;
}

/**
 * Makes the keys of a user, or of the server, with what belongs beside them, and prints what was
 * made. Throws `usage`, `file-exists`, `passphrase`, `cancelled`, `disk-full`, `file-io`, and what
 * reading `./server/server_public.pem` throws.
 */
export async function keygen(options: KeygenOptions): Promise<void> {
  const name = nameArgument(options.name);
  const dir = options.dir ?? name;
  if (options.publicOnly) return await writePublic(dir, name, options);
  if (options.rotate) return await rotateServer(dir, name, options);
  const force = options.force ?? false;
  if (!force) await requireNoKeys(dir, name);
  const hints: string[] = [];
  const serverPem = name === SERVER_NAME ? null : await serverKeyFor(hints);
  const passphrase = options.passphrase ? await newPassphrase() : undefined;
  const made = await isNewOrOwn(dir);
  const identity = await makeIdentity(options.bits ?? RSA_BITS.usual);
  const saved = await saveIdentityFiles(dir, name, identity, { passphrase, force });
  const written: Written[] = [
    { role: "private", path: saved.privatePath, note: "secret: nobody else may have it" },
    { role: "public", path: saved.publicPath, note: "" },
  ];
  if (saved.retiredPath !== null) {
    written.push({
      role: "retired",
      path: saved.retiredPath,
      note: name === SERVER_NAME
        ? "the old key: only to go back to it"
        : "the old key, to read old mail",
    });
    if (options.serverRuns) {
      hints.push("The server is running: it uses the old key until it is started again.");
    }
    hints.push(
      ...name === SERVER_NAME
        ? [
          "From then on every client refuses the server, and mail waits, until its folder has the new",
          `${publicKeyPath(dir, name)}: give it to people in a way that they can trust, with the`,
          `fingerprint above; \`${PROGRAM} pubkey NAME\` puts it into a folder beside this one.`,
        ]
        : [`If ${name} has connected before, the server knows the old key and refuses this one.`],
    );
  }
  if (name === SERVER_NAME) written.push(...await addExampleUsers(dir, hints));
  else written.push(...await addClientFiles(dir, serverPem, hints));
  hints.push(...await claim(dir, made));
  const fingerprint = formatFingerprint(identity.bundle.fp);
  const encrypted = passphrase !== undefined;
  report(options, {
    what: `Made the keys of ${name}.`,
    name,
    fingerprint,
    encrypted,
    written,
    hints,
  });
}

/**
 * `./server/server_public.pem` in its standard form, or null if it is not there. Throws
 * `key-permissions` if it may be somebody else's.
 */
export async function readServerKey(): Promise<string | null> {
  const path = await findServerKey();
  return path === null ? null : bundleToPem(await loadBundle(path));
}

/** {@linkcode readServerKey}; where that is not to be used, a hint that says so, and null. */
async function serverKeyFor(hints: string[]): Promise<string | null> {
  try {
    return await readServerKey();
  } catch (error) {
    if (!isSealpostError(error, "key-permissions")) throw error;
    hints.push(`The key in ./${SERVER_NAME} was not copied: ${error.message}`);
    return null;
  }
}

/**
 * Keeps that `dir` is the person's own, if it was `made` here. Returns what to tell them where that
 * cannot be said of it.
 */
async function claim(dir: string, made: boolean): Promise<string[]> {
  if (made && await claimFolder(dir)) return [];
  if (made) return [`It could not be kept that ${dir} is yours: name it with --dir.`];
  return [`${dir} was there before; if all that is in it is yours: ${PROGRAM} adopt ${dir}`];
}

/** Writes the public key file again, for a private key that has lost it. */
async function writePublic(dir: string, name: string, options: KeygenOptions): Promise<void> {
  if (options.force || options.passphrase) {
    throw new SealpostError("usage", "--public makes no keys: leave out --force and --passphrase");
  }
  const privatePath = privateKeyPath(dir, name);
  const { bundle } = await loadPrivateKey(dir, name, passphrasePrompt(privatePath));
  const path = await savePublicKey(dir, name, bundle);
  report(options, {
    what: `Made the public key file of ${name} from its private key.`,
    name,
    fingerprint: formatFingerprint(bundle.fp),
    written: [{ role: "public", path, note: "" }],
    hints: [],
  });
}

/**
 * Makes new keys of the server, to which both the present ones and they certify that they follow. What
 * was broken off is completed with the keys that were made then: for each key there is one that follows.
 * The new ones have the passphrase of the present ones.
 */
async function rotateServer(dir: string, name: string, options: KeygenOptions): Promise<void> {
  if (name !== SERVER_NAME) {
    throw new SealpostError(
      "usage",
      `--rotate is for the server's keys; ${name} makes new ones with "${PROGRAM} keys rotate"`,
    );
  }
  if (options.force || options.passphrase) {
    throw new SealpostError(
      "usage",
      "--rotate keeps the passphrase: leave out --force and --passphrase",
    );
  }
  if (options.serverRuns) {
    throw new SealpostError("busy", "the server is running; stop it first: nothing was made");
  }
  await NextKeys.complete(dir, name);
  let passphrase: Bytes | undefined;
  const ask = passphrasePrompt(privateKeyPath(dir, name));
  const present = await loadIdentity(dir, name, async (attempt) => {
    passphrase = await ask(attempt) ?? undefined;
    return passphrase ?? null;
  });
  const { bundle } = present;
  const chain = await readServerChain(dir);
  const certified = chain.find(({ left }) => equal(left.fp, bundle.fp));
  using waiting = await NextKeys.take(dir, name);
  const fpNext = await waiting?.fingerprint() ?? null;
  let fp: Bytes;
  if (certified) {
    if (fpNext === null || !equal(fpNext, certified.fpNew)) {
      throw successorMade(dir, certified.fpNew);
    }
    await waiting?.finish();
    fp = fpNext;
  } else {
    // Keys that nothing was certified for yet.
    await waiting?.discard();
    const made = await makeIdentity(options.bits ?? bundle.rsaBits);
    using next = await NextKeys.prepare(dir, name, made, passphrase);
    const links = await chainTo(chain, bundle);
    const seq = (links.at(-1)?.seq ?? 0) + 1;
    const time = Math.max(Date.now(), links.at(-1)?.time ?? 0);
    const certificate = await certifyServer({ seq, time }, present, made);
    await writeServerChain(dir, [...links, { certificate, bundle: encodeBundle(bundle) }]);
    await next.finish();
    fp = made.bundle.fp;
  }
  if (passphrase) wipe(passphrase);
  report(options, {
    what: "Made new keys of the server, which follow the ones that it had.",
    name,
    fingerprint: formatFingerprint(fp),
    encrypted: passphrase !== undefined,
    written: [
      { role: "private", path: privateKeyPath(dir, name), note: "secret: nobody else may have it" },
      { role: "public", path: publicKeyPath(dir, name), note: "" },
      { role: "rotations", path: join(dir, CHAIN_NAME), note: "the certificate: keep it" },
      {
        role: "retired",
        path: retiredPath(dir, name, bundle.fp),
        note: "the old key: the server needs it for 90 days, for clients that were away",
      },
    ],
    hints: [
      "Start the server: clients follow by themselves from then on, within 90 days. Make a backup",
      `(\`${PROGRAM} backup DIR --keys\`). If the old key was stolen, this does not help: see "The`,
      "server's key\" in the operator's guide.",
    ],
  });
}

function successorMade(dir: string, fp: Bytes): SealpostError {
  return new SealpostError(
    "file-exists",
    `${join(dir, CHAIN_NAME)} says that the key ${
      formatFingerprint(fp)
    } follows the present one, and a ` +
      "key has one successor: put that one back; nothing was made",
  );
}

/** The passphrase for new keys, from SEALPOST_PASSPHRASE or typed twice. Throws `passphrase`. */
async function newPassphrase(): Promise<Bytes> {
  console.error("The passphrase must not be your login password: the server sees that one.");
  const fixed = passphraseFromEnvironment();
  if (fixed !== null) return passphraseBytes(fixed);
  if (!canAskSecret()) {
    throw new SealpostError(
      "secret-needed",
      "there is no terminal to ask for the new passphrase; set SEALPOST_PASSPHRASE; nothing was made",
    );
  }
  const passphrase = await askSecret("New passphrase: ");
  if (passphrase === null || passphrase.length === 0) {
    throw new SealpostError("passphrase", "no passphrase was given; nothing was made");
  }
  const again = await askSecret("Once more: ");
  if (again !== null && equal(passphrase, again)) {
    wipe(again);
    return passphrase;
  }
  throw new SealpostError("passphrase", "the two are not the same; nothing was made");
}

/** What a client's folder has beside its keys. */
async function addClientFiles(
  dir: string,
  serverPem: string | null,
  hints: string[],
): Promise<Written[]> {
  const files = join(dir, "files");
  await ensurePrivateDir(files);
  const written: Written[] = [{ role: "files", path: files, note: "for what you want to send" }];
  const path = publicKeyPath(dir, SERVER_NAME);
  const there = await isThere(path) ? bundleToPem(await loadBundle(path)) : null;
  if (serverPem === null) {
    if (there === null) hints.push(`Before the first connection, get ${path} from the server.`);
  } else if (there === null) {
    await writeFileAtomic(path, serverPem, { mode: 0o644, overwrite: false });
    written.push({ role: "server_public", path, note: "copied from ./server" });
  } else if (there !== serverPem) {
    hints.push(`${path} is another key than that in ./server; \`${PROGRAM} pubkey\` replaces it.`);
  }
  return written;
}

/** A user_pass.json to start from, unless there is one. */
async function addExampleUsers(dir: string, hints: string[]): Promise<Written[]> {
  const path = join(dir, "user_pass.json");
  if (await isThere(path)) return [];
  const users = { client1: randomPassword(), client2: randomPassword() };
  await writeFileAtomic(path, JSON.stringify(users, null, 2) + "\n", { overwrite: false });
  hints.push(
    `Put your group's names into ${path}, and copy the passwords`,
    "before the server starts: it replaces them by hashes.",
    `Or take the two out (${PROGRAM} user remove client1), and invite people`,
    `once the server runs: ${PROGRAM} user add NAME --invite`,
  );
  const note = "client1 and client2, with random passwords";
  return [{ role: "user_pass", path, note }];
}

interface Report {
  readonly what: string;
  readonly name: string;
  readonly fingerprint: string;
  readonly encrypted?: boolean;
  readonly written: readonly Written[];
  readonly hints: readonly string[];
}

function report(options: KeygenOptions, { what, written, hints, ...facts }: Report): void {
  if (options.json) {
    const files = Object.fromEntries(written.map(({ role, path }) => [role, path]));
    return console.log(JSON.stringify({ ...facts, files }, null, 2));
  }
  console.log(what);
  const column = Math.max(...written.map(({ path }) => path.length)) + 4;
  for (const { path, note } of written) console.log(`  ${path.padEnd(column)}${note}`.trimEnd());
  console.log(`Fingerprint: ${facts.fingerprint}`);
  for (const hint of hints) console.log(hint);
}

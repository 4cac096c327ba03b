import { join } from "@std/path";
import { nativeArgon2 } from "../crypto/argon2.ts";
import { fromUtf8 } from "../crypto/bytes.ts";
import { errorText, isSealpostError, SealpostError } from "../crypto/error.ts";
import { type Bundle, formatFingerprint } from "../crypto/identity.ts";
import { passphraseBytes, passphraseFromEnvironment } from "../cli/secret_input.ts";
import { readFileBounded } from "../files/atomic_file.ts";
import { loadIdentity, loadRetired, SERVER_NAME } from "../files/key_files.ts";
import { NextKeys } from "../files/next_keys.ts";
import { CHAIN_NAME, chainTo, readServerChain } from "../files/server_chain.ts";
import { type FormerKey, isInGrace, type ServerHistory } from "./accounts/server_keys.ts";
import { readEnvironment } from "./settings/environment.ts";
import { type Log, stderrLog } from "./observe/log.ts";
import { startServer } from "./server.ts";
import { LiveSettings, showSettings } from "./settings/settings.ts";
import { parseUserFile } from "./accounts/user_file.ts";

/** What the `serve` command was given. */
export interface ServeOptions {
  /** The folder with the keys, `user_pass.json` and `sealpost.toml`; mail goes to `mail/` in it. */
  readonly dir: string;
  /** The settings of the command line, as they were typed, by name. */
  readonly flags: ReadonlyMap<string, string>;
  /** Print the settings and start nothing. */
  readonly checkConfig: boolean;
  /** Environment variables that the program has besides the settings. */
  readonly variables: readonly string[];
}

/**
 * The `serve` command: starts a server, prints one line when it accepts connections, and serves
 * until SIGINT or SIGTERM; a second signal ends it at once. SIGHUP reloads.
 */
export async function serve(options: ServeOptions): Promise<void> {
  const { dir, flags } = options;
  const environment = readEnvironment(options.variables);
  const settings = await LiveSettings.load(dir, { flags, environment: environment.given });
  if (options.checkConfig) return await showConfig(dir, settings);
  const { log: format, logLevel: level } = settings.current;
  const log = stderrLog({ format, level });
  for (const name of environment.ignored) log.warn("unknown-variable", { name });
  if (!returnsMemory()) {
    const how = `start the server with ${MEMORY_VARIABLE}=1048576 in its environment`;
    log.warn("memory-kept", { of: "password checks", how });
  }
  await NextKeys.complete(dir, SERVER_NAME);
  const identity = await loadIdentity(dir, SERVER_NAME, serverPassphrase);
  const history = await serverHistory(dir, identity.bundle, log);
  const server = await startServer(dir, settings, identity, log, history);
  const windows = Deno.build.os === "windows";
  if (!windows) Deno.addSignalListener("SIGHUP", () => void server.reload());
  const signals: Deno.Signal[] = windows ? ["SIGINT", "SIGBREAK"] : ["SIGINT", "SIGTERM"];
  const stop = new Promise<void>((resolve) => {
    let asked = false;
    const onSignal = () => {
      if (asked) Deno.exit(130);
      asked = true;
      resolve();
    };
    for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  });
  // Whoever waits for this line may send a signal at once.
  console.log(`sealpost: listening on ${server.address}, key ${server.fingerprint}`);
  await stop;
  log.info("stopping", { sessions: server.registry.size });
  await server.stop();
  log.info("stopped");
  // Sockets of peers that do not answer must not keep the process.
  Deno.exit(0);
}

/**
 * What led to the key `present`. Private keys that were left and cannot be loaded are named in the log:
 * clients that were away do not follow then. Throws what reading the certificates throws.
 */
async function serverHistory(dir: string, present: Bundle, log: Log): Promise<ServerHistory> {
  const links = await chainTo(await readServerChain(dir), present).catch((error) => {
    if (!isSealpostError(error, "authentication", "format", "key-format")) throw error;
    const path = join(dir, CHAIN_NAME);
    const what = `${path} is damaged (${error.message}); put it back from a backup`;
    throw new SealpostError("config", what, { cause: error });
  });
  const former: FormerKey[] = [];
  for (const { left, time } of links) {
    if (!isInGrace(time)) continue;
    try {
      const identity = await loadRetired(dir, SERVER_NAME, left.fp, serverPassphrase);
      former.push({ identity, leftAt: time });
    } catch (error) {
      if (!isSealpostError(error)) throw error;
      log.warn("former-key-missing", { key: formatFingerprint(left.fp), why: error.message });
    }
  }
  return { links, former };
}

/** Read by the C library at the start of the process, so a program cannot set it for itself. */
const MEMORY_VARIABLE = "MALLOC_MMAP_THRESHOLD_";

/**
 * Whether the memory of an Argon2id, 19 MiB, goes back to the system after each. The allocator of
 * glibc keeps it, in pieces that the next one does not fit into; true where nobody can tell.
 */
function returnsMemory(): boolean {
  if (nativeArgon2 === null || !Deno.build.target.endsWith("-linux-gnu")) return true;
  const { state } = Deno.permissions.querySync({ name: "env", variable: MEMORY_VARIABLE });
  return state !== "granted" || Deno.env.get(MEMORY_VARIABLE) !== undefined;
}

/** `serve --check-config`. Throws `config` if user_pass.json is missing or damaged. */
async function showConfig(dir: string, settings: LiveSettings): Promise<void> {
  const shown = showSettings(settings.settings);
  const { store } = settings.current;
  if (store !== null) return console.log(`${shown}\n# users: in ${store}`);
  const path = join(dir, "user_pass.json");
  let text: string;
  try {
    text = fromUtf8(await readFileBounded(path, 4 * 1024 * 1024));
  } catch (cause) {
    throw new SealpostError("config", `${path}: ${errorText(cause)}`, { cause });
  }
  const users = parseUserFile(text, path);
  console.log(`${shown}\n# ${path}: ${users.length} users`);
}

function serverPassphrase() {
  const text = passphraseFromEnvironment();
  if (text === null) {
    throw new SealpostError(
      "passphrase",
      "the server's private key has a passphrase; set SEALPOST_PASSPHRASE for the server",
    );
  }
  return Promise.resolve(passphraseBytes(text));
}

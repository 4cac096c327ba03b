import { expandHome } from "../../cli/environment.ts";
import { printable, printableJson } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import { defined } from "../../crypto/defined.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { writeFileAtomic } from "../../files/atomic_file.ts";
import { type Address, formatAddress, parseAddress } from "../../protocol/address.ts";
import { type HttpListener, serveHttp } from "../../protocol/socket.ts";
import { within } from "../../protocol/timer.ts";
import { findProfile, type Profile } from "../state/profile.ts";
import { parseLife } from "../state/unlock.ts";
import { runtimeFolder } from "../state/unlocked.ts";
import { isLink, keepWebControl, orderWeb } from "../state/web_control.ts";
import type { Background, BrowserOpener } from "../terminal/programs.ts";
import { openTerminal, type Terminal } from "../terminal/terminal.ts";
import { App } from "./app.ts";
import { type Assets, readAssets } from "./assets.ts";
import { Gate, newToken } from "./gate.ts";
import { Site } from "./site.ts";
import { basename, dirname, join } from "@std/path";

/** What `web` was given. */
export interface WebOptions {
  readonly dir?: string;
  readonly server?: string;
  readonly passwordFile?: string;
  readonly noCache: boolean;
  readonly json: boolean;
  /** Where it listens; default: a free port of 127.0.0.1. */
  readonly listen?: string;
  /** After how long without a person the mail is shut, like `15m`. */
  readonly lock: string;
  /** Opens a browser; null: nothing is opened. */
  readonly browser: BrowserOpener | null;
  /** Starts the program that serves, where this one is to end; null: this one serves. */
  readonly background: Background | null;
}

/** How often it is looked whether anybody is there, milliseconds. */
const LOOK = 1000;
/**
 * How long the file that leads a browser to the link stays, milliseconds; shorter where nothing says that
 * a page has come in, and the command is to end.
 */
const OPENER_LIFE = 60_000;
const OPENER_LIFE_BESIDE = 10_000;

/**
 * The `web` command: serves the page to the browser of this machine until it is stopped. Where one runs
 * for this user already, that one gives a new link. Throws `usage`, `unreachable`, and what settings and
 * keys throw.
 */
export async function web(options: WebOptions): Promise<void> {
  const terminal = openTerminal();
  const address = loopback(options.listen);
  const lockAfter = parseLife(options.lock);
  const served = await linkOfOther(options);
  if (served !== null && options.listen !== undefined) {
    throw new SealpostError(
      "usage",
      `your page is served already; "${PROGRAM} web stop" ends it, or leave out --listen`,
    );
  }
  // In the background nobody but "web stop" can end it, which has to know whose page it is.
  if (options.background && served === null) {
    const { dir, server } = options;
    await findProfile({ ...defined({ dir, server }), json: true });
  }
  const other = served ?? await linkOfBackground(options, terminal);
  if (other === null && options.background) return;
  if (other !== null) {
    tellLink(terminal, options, other);
    const over = Promise.withResolvers<void>();
    using _signals = new Signals(over.resolve);
    await openInBrowser(options.browser, other, over.promise, OPENER_LIFE_BESIDE);
    return;
  }
  const page = await Served.start(options, address, await readAssets());
  using signals = new Signals(() => page.stop(0));
  let opening: Promise<void> | null = null;
  try {
    const link = page.newLink();
    tellLink(terminal, options, link);
    if (terminal.interactive) {
      terminal.printError("Enter: a new link.  Ctrl-C: end.");
      giveLinksOnEnter(terminal, options, page);
    }
    opening = openInBrowser(options.browser, link, page.entered, OPENER_LIFE);
    await page.run(lockAfter);
  } finally {
    await page.close();
    await opening;
  }
  signals[Symbol.dispose]();
  // Something may still wait for a key at the terminal.
  Deno.exit(0);
}

/** The `web stop` command: ends the page of this user. */
export async function stopWeb(
  options: { readonly dir?: string; readonly server?: string; readonly json: boolean },
): Promise<void> {
  const terminal = openTerminal();
  const { dir, name } = await findProfile(options);
  const stopped = await orderWeb(dir, name, "stop") !== null;
  if (options.json) return terminal.print(printableJson({ stopped }));
  terminal.print(stopped ? "The page has ended." : "No page was served.");
}

/** The `web --install` command: a launcher in the desktop's menu. Throws `usage` where there can be none. */
export async function installWeb(): Promise<void> {
  const terminal = openTerminal();
  if (Deno.build.os !== "linux") {
    throw new SealpostError("usage", "a launcher is made on Linux desktops only");
  }
  if (!Deno.build.standalone) {
    throw new SealpostError("usage", "a launcher starts the executable: run this with that");
  }
  const base = expandHome("~/.local/share");
  const icon = (await readAssets()).get("/icon.svg");
  const iconPath = join(base, "icons", "hicolor", "scalable", "apps", "sealpost.svg");
  const path = join(base, "applications", "sealpost.desktop");
  for (const file of [iconPath, path]) await Deno.mkdir(dirname(file), { recursive: true });
  if (icon) await writeFileAtomic(iconPath, icon.bytes, { mode: 0o644 });
  await writeFileAtomic(path, desktopEntry(Deno.execPath()), { mode: 0o644 });
  terminal.print(`Made ${path}: Sealpost is in your desktop's menu.`);
}

/** A launcher, as the Desktop Entry Specification 1.5 has it; `program` is the path of the executable. */
export function desktopEntry(program: string): string {
  // "Exec": quoted, and with what is special there, and in values, escaped.
  const quoted = program.replace(/["`$\\]/g, "\\$&").replaceAll("\\", "\\\\").replaceAll("%", "%%");
  return [
    "[Desktop Entry]",
    "Type=Application",
    "Version=1.5",
    "Name=Sealpost",
    "GenericName=Mail",
    "Comment=Private mail for a small group",
    `Exec="${quoted}" web`,
    "Icon=sealpost",
    "Terminal=false",
    "Categories=Network;Email;",
    "",
  ].join("\n");
}

/** Where a page may be served: at addresses that no other machine reaches. Throws `usage`. */
function loopback(listen: string | undefined): Address {
  if (listen === undefined) return { host: "127.0.0.1", port: 0 };
  const address = parseAddress(listen);
  if (/^127\.\d+\.\d+\.\d+$/.test(address.host) || address.host === "::1") return address;
  throw new SealpostError(
    "usage",
    `${
      printable(listen)
    } can be reached from other machines, or is a name: give 127.0.0.1:PORT or ` +
      "[::1]:PORT; from elsewhere, have ssh forward that port",
  );
}

/** A new link of the page that is served for this user already; null if none is. */
async function linkOfOther({ dir, server }: WebOptions): Promise<string | null> {
  let profile: Profile;
  try {
    profile = await findProfile({ ...defined({ dir, server }), json: true });
  } catch (error) {
    // Nobody is set up here, or what is wrong is said by whoever opens the profile.
    if (isSealpostError(error)) return null;
    throw error;
  }
  return await orderWeb(profile.dir, profile.name, "link");
}

/**
 * The link of a page that a program of its own serves from now on; null if that ended, with its exit code
 * for this one, or if none is to be started.
 */
async function linkOfBackground(
  { background }: WebOptions,
  terminal: Terminal,
): Promise<string | null> {
  if (!background) return null;
  for await (const line of background.lines()) {
    if (isLink(line)) return line;
    const [, code] = /^ended (\d+)$/.exec(line) ?? [];
    if (code === undefined) terminal.printError(line);
    else Deno.exitCode = Number(code);
  }
  return null;
}

function tellLink(terminal: Terminal, { json }: WebOptions, link: string): void {
  terminal.print(json ? printableJson({ link }, 0) : link);
}

/** A page that is served. */
class Served {
  readonly #app: App;
  readonly #gate: Gate;
  readonly #site: Site;
  readonly #listener: HttpListener;
  readonly #secret: string;
  readonly #ended = Promise.withResolvers<void>();
  readonly #entered = Promise.withResolvers<void>();
  #control: AsyncDisposable | null = null;

  private constructor(
    options: WebOptions,
    listener: HttpListener,
    assets: Assets,
  ) {
    this.#listener = listener;
    this.#secret = newToken();
    const host = formatAddress(listener.address);
    this.#gate = new Gate(host);
    const { dir, server, passwordFile, noCache } = options;
    this.#app = new App({
      ...defined({ dir, server, passwordFile }),
      noCache,
      onProfile: async (profile) => {
        const control = { address: host, secret: this.#secret };
        this.#control = await keepWebControl(profile.dir, profile.name, control);
      },
      onShut: () => {
        this.#gate.end();
        this.#app.events.endAll();
      },
    });
    this.#site = new Site(this.#gate, this.#app, assets, {
      secret: this.#secret,
      link: () => this.newLink(),
      lock: () => this.#app.lock(),
      // The answer goes out first.
      stop: () => void setTimeout(() => this.stop(0), 50),
    });
  }

  static async start(options: WebOptions, address: Address, assets: Assets): Promise<Served> {
    let served: Served | null = null;
    const listener = serveHttp(address, async (request) => {
      return await served?.answer(request) ?? new Response(null, { status: 503 });
    });
    served = new Served(options, listener, assets);
    try {
      await served.#app.start();
      return served;
    } catch (error) {
      await served.close();
      throw error;
    }
  }

  /** Resolves when a page was let in, or none will be any more. */
  get entered(): Promise<void> {
    return this.#entered.promise;
  }

  /** A link, for a person who asks for it, and so is there. */
  newLink(): string {
    this.#site.noteSign();
    return this.#gate.newLink();
  }

  async answer(request: Request): Promise<Response> {
    const response = await this.#site.answer(request);
    if (this.#gate.entered) this.#entered.resolve();
    return response;
  }

  /** Serves until {@linkcode Served.stop}; shuts the mail when nobody was there for `lockAfter` milliseconds. */
  async run(lockAfter: number): Promise<void> {
    let locking = false;
    const clock = setInterval(() => {
      if (locking || !this.#site.isDeserted(lockAfter)) return;
      locking = true;
      this.#app.lock().catch(() => {}).finally(() => locking = false);
      this.#site.noteSign();
    }, Math.min(LOOK, lockAfter));
    try {
      await this.#ended.promise;
    } finally {
      clearInterval(clock);
    }
  }

  stop(code: number): void {
    Deno.exitCode = code;
    this.#ended.resolve();
  }

  async close(): Promise<void> {
    this.#gate.end();
    this.#entered.resolve();
    await this.#control?.[Symbol.asyncDispose]();
    await this.#app.close();
    await this.#listener.close();
  }
}

/**
 * Leads a browser to `link` by a file (0600) that only this user reads: programs' arguments can be read
 * by everybody. The file goes when `over` resolves, or after `life` milliseconds.
 */
async function openInBrowser(
  browser: BrowserOpener | null,
  link: string,
  over: Promise<void>,
  life: number,
): Promise<void> {
  if (!browser) return;
  let path: string;
  try {
    const dir = browser.folder;
    // What is in there does not outlive a restart, so nothing is synced.
    if (dir === runtimeFolder()) await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
    path = await Deno.makeTempFile({ prefix: "sealpost-", suffix: ".html", dir });
  } catch {
    // No place for it: the link is printed in any case.
    return;
  }
  try {
    await Deno.writeTextFile(path, openerPage(link), { mode: 0o600 });
    const shown = browser.open(basename(path)).then((opened) => opened ? over : undefined);
    await within(Promise.race([shown, over]), life, undefined);
  } catch {
    // The disk is full: the link is printed in any case.
  } finally {
    await Deno.remove(path).catch(() => {});
  }
}

/** A page that leads on to `link`. */
function openerPage(link: string): string {
  return '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">' +
    `<title>Sealpost</title><meta http-equiv="refresh" content="0; url=${link}">` +
    `<a href="${link}">Sealpost</a>`;
}

/** At a terminal: a new link for every Enter. */
function giveLinksOnEnter(terminal: Terminal, options: WebOptions, served: Served): void {
  const read = async () => {
    for (let line = await terminal.ask(""); line !== null; line = await terminal.ask("")) {
      tellLink(terminal, options, served.newLink());
    }
  };
  read().catch((error) => served.stop(isSealpostError(error, "cancelled") ? 130 : 0));
}

/** The signals by which a person, or the system, ends what would go on for ever. */
class Signals implements Disposable {
  readonly #listeners: (readonly [Deno.Signal, () => void])[] = [];

  constructor(stop: () => void) {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      try {
        Deno.addSignalListener(signal, stop);
        this.#listeners.push([signal, stop]);
      } catch {
        // A system without that signal.
      }
    }
  }

  [Symbol.dispose](): void {
    for (const [signal, listener] of this.#listeners.splice(0)) {
      Deno.removeSignalListener(signal, listener);
    }
  }
}

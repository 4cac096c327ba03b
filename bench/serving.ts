import { dirname } from "@std/path";
import type { Bundle } from "../crypto/identity.ts";
import { ServerProcess } from "../tests/support/program.ts";
import { type KeptTicket, type Person, RawSession } from "../tests/support/raw_session.ts";
import {
  makeServerFolder,
  type ServerFolder,
  type ServerFolderOptions,
} from "../tests/support/server_folder.ts";

/** Limits that would meet whoever measures from one address. */
export const UNLIMITED = [
  "--max-connections-per-source=off",
  "--max-connections-per-user=off",
  "--max-unauthenticated-per-source=off",
  "--messages-per-minute=off",
  "--requests-per-second=off",
];

/** A server in a process of its own, and its people. */
export class Served implements AsyncDisposable {
  readonly #folder: ServerFolder;

  private constructor(folder: ServerFolder, readonly server: ServerProcess) {
    this.#folder = folder;
  }

  static async start(
    names: readonly string[],
    options: ServerFolderOptions = {},
    settings: readonly string[] = [],
  ): Promise<Served> {
    const folder = await makeServerFolder(names, options);
    // As the task and the unit of systemd have it; see docs/OPERATING.md on memory.
    const env = { MALLOC_MMAP_THRESHOLD_: "1048576" };
    const where = { cwd: dirname(folder.dir), env };
    const server = await ServerProcess.start(where, [...UNLIMITED, ...settings]);
    return new Served(folder, server);
  }

  /** The server's folder. */
  get dir(): string {
    return this.#folder.dir;
  }

  /** The server's public keys. */
  get bundle(): Bundle {
    return this.#folder.bundle;
  }

  person(name: string): Person {
    return this.#folder.person(name);
  }

  logIn(name: string) {
    return RawSession.logIn(this.server.address, this.#folder.bundle, this.person(name));
  }

  resume(name: string, ticket: KeptTicket) {
    return RawSession.resume(
      this.server.address,
      this.#folder.bundle,
      this.person(name),
      ticket,
    );
  }

  /** Resident memory of the server, bytes, and the CPU time it has used, seconds. */
  async usage(): Promise<{ readonly rss: number; readonly cpu: number }> {
    const { stdout } = await new Deno.Command("ps", {
      args: ["-o", "rss=,cputimes=", "-p", String(this.server.program.pid)],
    }).output();
    const [rss = 0, cpu = 0] = new TextDecoder().decode(stdout).trim().split(/\s+/).map(Number);
    return { rss: rss * 1024, cpu };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** The value below which the share `p` of `values` lies. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? NaN;
}

/** Milliseconds that `work` takes. */
export async function time(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

/** `p50 1.23 ms, p99 4.56 ms`. */
export function inPercentiles(times: readonly number[]): string {
  const at = (p: number) => `${percentile(times, p).toFixed(2)} ms`;
  return `p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, max ${at(1)}`;
}

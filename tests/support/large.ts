import { createHash } from "node:crypto";
import { shell } from "./command.ts";
import { CHOICE, ended, Group, reading, sending, SENT } from "./group.ts";

/** What it took to send one large attachment and to save it at the other end. */
export interface LargeTrip {
  /** Milliseconds from the last answer to the menu's next question. */
  readonly time: { readonly send: number; readonly receive: number };
  /** Peak resident set of each process, bytes. */
  readonly peak: { readonly sender: number; readonly server: number; readonly receiver: number };
  /** Whether it came out byte for byte. */
  readonly same: boolean;
}

/** Sends a file of `size` random bytes from one client over a server to another. Linux only. */
export async function largeTrip(size: number): Promise<LargeTrip> {
  await using group = await Group.start(["alice", "bob"], { serve: ["--max-message", "2GiB"] });
  await group.bind("bob");
  const digest = await writeRandom(group.path("alice", "files", "large.bin"), size);
  const timed = async (work: () => Promise<void>) => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };

  const alice = group.connect("alice");
  const turns = sending({
    to: "bob",
    title: "large",
    contents: { typed: "see the file" },
    attach: ["large.bin"],
  });
  await alice.converse(turns);
  const send = await timed(async () => void await alice.expect(SENT, 600_000));
  await alice.expect(CHOICE);
  const sender = await peakOf(alice.pid);
  await alice.type("4");
  await ended(alice, 0);

  const bob = group.connect("bob");
  await bob.converse(reading(1));
  const receive = await timed(async () => {
    await bob.expect("Would you like to save them to files/? (Y/N) ", 600_000);
    await bob.type("Y");
    await bob.expect("Saved files/large.bin\n", 600_000);
  });
  await bob.expect(CHOICE);
  const receiver = await peakOf(bob.pid);
  await bob.type("4");
  await ended(bob, 0);
  const server = await peakOf(group.server.program.pid);

  const saved = group.path("bob", "files", "large.bin");
  const same = (await Deno.stat(saved)).size === size && await digestOf(saved) === digest;
  return { time: { send, receive }, peak: { sender, server, receiver }, same };
}

/** The largest resident set that a process has had, bytes. */
export async function peakOf(pid: number): Promise<number> {
  // Not read directly: that would take the right to read everything.
  const status = await shell('exec grep VmHWM "/proc/$0/status"', String(pid));
  const [, kibibytes] = /VmHWM:\s+(\d+) kB/.exec(status) ?? [];
  return Number(kibibytes) * 1024;
}

/** Writes `size` random bytes to `path`; returns their digest. */
async function writeRandom(path: string, size: number): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path, { write: true, createNew: true });
  const buffer = new Uint8Array(1 << 20);
  for (let left = size; left > 0;) {
    for (let at = 0; at < buffer.length; at += 65_536) {
      crypto.getRandomValues(buffer.subarray(at, at + 65_536));
    }
    const piece = buffer.subarray(0, Math.min(left, buffer.length));
    hash.update(piece);
    for (let at = 0; at < piece.length;) at += await file.write(piece.subarray(at));
    left -= piece.length;
  }
  return hash.digest("hex");
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const buffer = new Uint8Array(1 << 20);
  for (let n = await file.read(buffer); n !== null; n = await file.read(buffer)) {
    hash.update(buffer.subarray(0, n));
  }
  return hash.digest("hex");
}

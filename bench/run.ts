// What a server and a client do in a second, and what of the machine's time that takes: one table.
// Every figure stands beside a baseline that is taken in the same run, since machines differ and are
// noisy. Run by `deno task bench [--json] [PART …]`.

import { SOME_HEAD } from "../tests/support/log_head.ts";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { dirname, fromFileUrl, join } from "@std/path";
import { DEFAULT_ARGON2 } from "../crypto/argon2.ts";
import { importAesKey } from "../crypto/aes_gcm.ts";
import { type Bytes, random } from "../crypto/bytes.ts";
import { generateIdentity } from "../crypto/identity.ts";
import { sealMessage } from "../client/message/seal.ts";
import { openBody, sealBody, sealedBodySize } from "../protocol/body.ts";
import { encodeHeader } from "../protocol/header.ts";
import { newMessageId } from "../protocol/uuid.ts";
import { openSqliteStore } from "../server/store/sqlite_store.ts";
import { ServerProcess } from "../tests/support/program.ts";
import { type Person, preseal, type Presealed, RawSession } from "../tests/support/raw_session.ts";
import { makeServerFolder } from "../tests/support/server_folder.ts";
import { measureFirstSearch } from "./first_search.ts";
import { Mailbox } from "./opening.ts";
import { printText, readAttachment } from "./reading.ts";
import { searchKept } from "./searching.ts";
import { percentile, Served, time } from "./serving.ts";

const RUNS = 3;
const MIB = 1024 * 1024;
const BODY = (Number(Deno.env.get("SEALPOST_BENCH_MIB")) || 1024) * MIB;

/** What was measured, by name: the unit ends the name, as in `serverCpuMs`. For programs. */
type Figures = Readonly<Record<string, number>>;

interface Row {
  readonly what: string;
  readonly value: string;
  readonly baseline: string;
  /** CPU time of the server, and of this process, which makes the load. */
  readonly cpu: string;
  readonly own: string;
}

const rows: (Row & { readonly figures: Figures })[] = [];

function row(
  what: string,
  value: string,
  figures: Figures,
  { baseline = "", cpu = "", own = "" }: Partial<Row> = {},
): void {
  rows.push({ what, value, figures, baseline, cpu, own });
  console.error(`${what}: ${value} ${baseline} ${cpu} ${own}`);
}

const median = (values: readonly number[]) => percentile(values, 0.5);
const rate = (n: number, ms: number) => n / ms * 1000;
const perSecond = (value: number) => `${value.toFixed(0)}/s`;
const mibs = (bytes: number, ms: number) => `${(bytes / MIB / ms * 1000).toFixed(0)} MiB/s`;
const ratio = (value: number, baseline: number) => `${(value / baseline).toFixed(2)} of`;

/** The median of what `work` gives in several runs. */
async function medianOf(work: () => Promise<number>, runs = RUNS): Promise<number> {
  const values: number[] = [];
  for (let i = 0; i < runs; i++) values.push(await work());
  return median(values);
}

/** The figures of a row that has a rate. */
function rateFigures(
  values: readonly number[],
  costs: readonly number[],
  owns: readonly number[],
  baseline: number,
): Figures {
  return {
    perSecond: median(values),
    serverCpuMs: median(costs),
    clientCpuMs: median(owns),
    baselinePerSecond: baseline,
  };
}

/** CPU time of the server so far, milliseconds. */
async function cpu(served: Pick<Served, "server">): Promise<number> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `cat /proc/${served.server.program.pid}/stat`],
  }).output();
  const fields = new TextDecoder().decode(stdout).split(") ")[1]?.split(" ") ?? [];
  // In ticks of 10 ms; user and system.
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** CPU time of this process so far, milliseconds. */
function ownCpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** `work`, its time, and the CPU time of the server and of this process during it, milliseconds. */
async function measured(served: Pick<Served, "server">, work: () => Promise<unknown>) {
  const before = await cpu(served);
  const ownBefore = ownCpu();
  const ms = await time(work);
  return { ms, own: ownCpu() - ownBefore, cpu: await cpu(served) - before };
}

/** Round trips a second of a bare TCP echo of `size` bytes. */
async function echo(size: number, count: number): Promise<number> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    const socket = await listener.accept();
    const buffer = new Uint8Array(65_536);
    for (let n = await socket.read(buffer); n !== null; n = await socket.read(buffer)) {
      for (let at = 0; at < n;) at += await socket.write(buffer.subarray(at, n));
    }
    socket.close();
  })();
  const { port } = listener.addr as Deno.NetAddr;
  const socket = await Deno.connect({ hostname: "127.0.0.1", port });
  const message = random(size);
  const buffer = new Uint8Array(65_536);
  const ms = await time(async () => {
    for (let i = 0; i < count; i++) {
      for (let at = 0; at < size;) at += await socket.write(message.subarray(at));
      for (let got = 0; got < size;) got += await socket.read(buffer) ?? size;
    }
  });
  socket.close();
  await serving;
  listener.close();
  return rate(count, ms);
}

/** Bytes that AES-256-GCM takes in a millisecond, 64 KiB at a time, `width` of them at once. */
async function rawAes(width: number, bytes = 256 * MIB): Promise<number> {
  const key = await importAesKey(random(32));
  const chunk = new Uint8Array(65_536);
  const iv = new Uint8Array(12);
  const ms = await time(async () => {
    for (let i = 0; i < bytes / chunk.length; i += width) {
      await Promise.all(Array.from({ length: width }, () => {
        return crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, chunk);
      }));
    }
  });
  return bytes / ms;
}

/** Bytes that SHA-256 takes in a millisecond on all cores, 64 KiB at a time. */
async function rawSha(bytes = 256 * MIB): Promise<number> {
  const chunk = new Uint8Array(65_536);
  const width = 8;
  const ms = await time(async () => {
    for (let i = 0; i < bytes / chunk.length; i += width) {
      await Promise.all(
        Array.from({ length: width }, () => crypto.subtle.digest("SHA-256", chunk)),
      );
    }
  });
  return bytes / ms;
}

/** What the server of plain_files.py does; null where there is no Python. */
async function plainFiles(connections: number, sync: boolean) {
  const folder = await Deno.makeTempDir();
  try {
    const { success, code, stdout, stderr } = await new Deno.Command("sh", {
      args: [
        "-c",
        'command -v python3 > /dev/null || exit 127; exec python3 "$@"',
        "sh",
        fromFileUrl(new URL("plain_files.py", import.meta.url)),
        folder,
        String(connections),
        sync ? "1000" : "5000",
        "1024",
        sync ? "sync" : "no-sync",
      ],
    }).output();
    if (code === 127) return null;
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    const figures: unknown = JSON.parse(new TextDecoder().decode(stdout));
    const of = (name: string): number => {
      const value = figures instanceof Object ? Reflect.get(figures, name) : undefined;
      if (typeof value !== "number") throw new Error(`plain_files.py printed no ${name}`);
      return value;
    };
    return {
      perSecond: of("perSecond"),
      serverCpuMs: of("serverCpuMs"),
      clientCpuMs: of("clientCpuMs"),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Transactions a second of one row of 8 KiB, durable as the store's are. */
function rawCommits(folder: string, count = 500): number {
  const db = new DatabaseSync(join(folder, "raw.db"));
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (b BLOB)");
  const insert = db.prepare("INSERT INTO t VALUES (?)");
  const data = random(8192);
  const from = performance.now();
  for (let i = 0; i < count; i++) insert.run(data);
  const ms = performance.now() - from;
  db.close();
  return rate(count, ms);
}

async function handshakes(): Promise<void> {
  const baseline = await medianOf(() => echo(2819, 2000));
  await using served = await Served.start(["alice"], { rsaBits: 3072, cost: DEFAULT_ARGON2 });
  const count = 60;
  for (const width of [1, 8]) {
    const values: number[] = [];
    const costs: number[] = [];
    const owns: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const { ms, cpu, own } = await measured(served, async () => {
        for (let i = 0; i < count; i += width) {
          const sessions = await Promise.all(
            Array.from({ length: width }, () => served.logIn("alice")),
          );
          await Promise.all(sessions.map(({ session }) => session.close()));
        }
      });
      values.push(rate(count, ms));
      costs.push(cpu / count);
      owns.push(own / count);
    }
    row(
      `full handshakes, ${width} at a time`,
      perSecond(median(values)),
      rateFigures(values, costs, owns, baseline),
      {
        baseline: `${ratio(median(values), baseline)} ${perSecond(baseline)} echoes of 2.8 KB`,
        cpu: `${median(costs).toFixed(2)} ms`,
        own: `${median(owns).toFixed(2)} ms`,
      },
    );
  }
  for (const width of [1, 8]) {
    const chains = await Promise.all(Array.from({ length: width }, async () => {
      const { session, ticket } = await served.logIn("alice");
      await session.close();
      return ticket;
    }));
    const values: number[] = [];
    const costs: number[] = [];
    const owns: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const { ms, cpu, own } = await measured(served, () =>
        Promise.all(chains.map(async (_, c) => {
          for (let i = 0; i < 200 / width; i++) {
            const ticket = chains[c];
            const session = ticket && await served.resume("alice", ticket);
            if (!session) throw new Error("a ticket was not taken");
            chains[c] = await session.nextTicket();
            await session.close();
          }
        })));
      values.push(rate(200, ms));
      costs.push(cpu / 200);
      owns.push(own / 200);
    }
    row(
      `resumed handshakes with a request, ${width} at a time`,
      perSecond(median(values)),
      rateFigures(values, costs, owns, baseline),
      {
        baseline: `${ratio(median(values), baseline)} ${perSecond(baseline)} echoes of 2.8 KB`,
        cpu: `${median(costs).toFixed(2)} ms`,
        own: `${median(owns).toFixed(2)} ms`,
      },
    );
  }
}

async function deliveries(): Promise<void> {
  for (const width of [1, 5, 8, 64]) {
    const names = Array.from({ length: width }, (_, i) => `user${i}`);
    await using served = await Served.start(names);
    const sessions: RawSession[] = [];
    for (const name of names) sessions.push((await served.logIn(name)).session);
    const count = 960;
    const values: number[] = [];
    const costs: number[] = [];
    const owns: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const batches = await Promise.all(names.map(async (name, i) => {
        const to = served.person(names[(i + 1) % width] ?? name);
        const messages: Presealed[] = [];
        for (let k = 0; k < count / width; k++) {
          messages.push(await preseal(served.person(name), [to], 700));
        }
        return messages;
      }));
      const { ms, cpu, own } = await measured(
        served,
        () => Promise.all(sessions.map((session, i) => pipelined(session, batches[i] ?? []))),
      );
      values.push(rate(count, ms));
      costs.push(cpu / count);
      owns.push(own / count);
    }
    const raw = rawCommits(dirname(served.dir));
    row(
      `durable deliveries of 1 KB, ${width} connection(s)`,
      perSecond(median(values)),
      rateFigures(values, costs, owns, raw),
      {
        baseline: `${ratio(median(values), raw)} ${perSecond(raw)} SQLite commits of 8 KB`,
        cpu: `${median(costs).toFixed(3)} ms`,
        own: `${median(owns).toFixed(3)} ms`,
      },
    );
    const [alone] = sessions;
    if (width === 1 && alone) {
      const { p50, p99 } = await latencyAlone(served, names[0] ?? "", alone);
      row(
        "a durable delivery of 1 KB by itself",
        `p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)} ms`,
        { p50Ms: p50, p99Ms: p99, commitMs: 1000 / raw },
        { baseline: `${(p50 * raw / 1000).toFixed(2)} × a SQLite commit of 8 KB` },
      );
    }
    await Promise.all(sessions.map((session) => session.close()));
  }
  for (const sync of [false, true]) {
    for (const connections of [1, 5]) {
      const what = `a plain file of 1 KB for each, ${
        sync ? "with" : "without"
      } fsync, by Python, ${connections} connection(s)`;
      const runs: NonNullable<Awaited<ReturnType<typeof plainFiles>>>[] = [];
      for (let run = 0; run < RUNS; run++) {
        const figures = await plainFiles(connections, sync);
        if (figures !== null) runs.push(figures);
      }
      if (runs.length === 0) {
        row(what, "not measured", {}, { baseline: "there is no python3" });
        continue;
      }
      const of = (name: "perSecond" | "serverCpuMs" | "clientCpuMs") =>
        median(runs.map((figures) => figures[name]));
      const figures = {
        perSecond: of("perSecond"),
        serverCpuMs: of("serverCpuMs"),
        clientCpuMs: of("clientCpuMs"),
      };
      row(what, perSecond(figures.perSecond), figures, {
        baseline: "nothing sealed, no accounts, a message at a time",
        cpu: `${figures.serverCpuMs.toFixed(3)} ms`,
        own: `${figures.clientCpuMs.toFixed(3)} ms`,
      });
    }
  }
  // What they have left to be written would be waited for by whatever is measured next.
  await new Deno.Command("sh", { args: ["-c", "sync"] }).output();
}

/** How long a delivery takes, milliseconds, when nothing else is on its way. */
async function latencyAlone(
  served: Served,
  name: string,
  session: RawSession,
): Promise<{ readonly p50: number; readonly p99: number }> {
  const person = served.person(name);
  const messages: Presealed[] = [];
  for (let i = 0; i < 200; i++) messages.push(await preseal(person, [person], 700));
  const times: number[] = [];
  for (const message of messages) times.push(await time(() => session.deliver(message)));
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}

/** Delivers with 16 on their way at a time. */
async function pipelined(session: RawSession, messages: readonly Presealed[]): Promise<void> {
  const going = new Set<Promise<unknown>>();
  for (const message of messages) {
    const one = session.deliver(message).finally(() => going.delete(one));
    going.add(one);
    if (going.size >= 16) await Promise.race(going);
  }
  await Promise.all(going);
}

/** Puts `count` small messages into the inbox of `name`, with the server away. */
async function fill(dir: string, person: Person, count: number): Promise<void> {
  const store = await openSqliteStore(join(dir, "mail"));
  await store.ensureAccounts([person.name]);
  const { envelope, body } = await parts(person);
  const write = async (i: number) => {
    const sink = await store.openBody(body.length);
    await sink.write(body);
    const id = newMessageId();
    const header = envelope.header.slice();
    header.set(id, 1);
    await store.deliver({
      senderFp: person.identity.bundle.fp,
      messageId: id,
      digest: random(32),
      header,
      summary: envelope.summary,
      body: await sink.finish(),
      copies: [{
        account: person.name,
        folder: i % 4 === 0 ? "sent" : "inbox",
        flags: [],
        stanza: envelope.stanza,
        note: null,
      }],
      receivedAt: Date.now(),
    });
  };
  for (let i = 0; i < count; i += 500) {
    await Promise.all(Array.from({ length: Math.min(500, count - i) }, (_, k) => write(i + k)));
  }
  await store.close();
}

/** A sealed message of 1 KB, taken apart. */
async function parts(person: Person) {
  const { EnvelopeReader } = await import("../protocol/envelope.ts");
  const { bytes } = await preseal(person, [person], 700);
  const whole = new EnvelopeReader().push(bytes);
  const stanza = whole?.envelope.stanzas[0];
  if (!whole || !stanza) throw new Error("a sealed message that is not whole");
  return {
    envelope: { header: whole.envelope.header, summary: whole.envelope.summary, stanza },
    body: whole.rest,
  };
}

async function listings(): Promise<void> {
  const baseline = await medianOf(() => echo(60_000, 300));
  for (const count of [100, 10_000, 100_000]) {
    await using folder = await makeServerFolder(["alice"]);
    await fill(folder.dir, folder.person("alice"), count);
    const server = await ServerProcess.start({ cwd: dirname(folder.dir) });
    const { session } = await RawSession.logIn(
      server.address,
      folder.bundle,
      folder.person("alice"),
    );
    const list = async () => {
      const { data } = await session.link.stream({
        op: "list",
        folder: "inbox",
        order: "newest",
        limit: 50,
      });
      for await (const _ of data);
    };
    await list();
    const times: number[] = [];
    const { cpu, own } = await measured({ server }, async () => {
      for (let i = 0; i < 60; i++) times.push(await time(list));
    });
    row(
      `newest 50 of ${count} messages`,
      `${median(times).toFixed(1)} ms`,
      { ms: median(times), serverCpuMs: cpu / 60, clientCpuMs: own / 60, echoMs: 1000 / baseline },
      {
        baseline: `${(median(times) * baseline / 1000).toFixed(1)} × an echo of 60 KB`,
        cpu: `${(cpu / 60).toFixed(2)} ms`,
        own: `${(own / 60).toFixed(2)} ms`,
      },
    );
    await session.close();
    await server.stop();
  }
}

async function sealing(): Promise<void> {
  const aes = await medianOf(() => rawAes(1));
  const wide = await medianOf(() => rawAes(8));
  const sender = await generateIdentity({ rsaBits: 2048 });
  const context = {
    fileKey: random(32),
    header: encodeHeader({
      id: newMessageId(),
      senderFp: sender.bundle.fp,
      commitment: random(32),
    }),
    summaryHash: random(32),
  };
  const size = 128 * MIB;
  const piece = new Uint8Array(65_536);
  const source = async function* () {
    for (let i = 0; i < size / piece.length; i++) yield await Promise.resolve(piece);
  };
  const sealed: Bytes[] = [];
  const report = (what: string, ms: number, own: number) => {
    const perMiB = own / RUNS / (size / MIB);
    row(
      what,
      mibs(size, ms),
      {
        bytesPerSecond: size / ms * 1000,
        clientCpuMsPerMiB: perMiB,
        aesOneAtATimeBytesPerSecond: aes * 1000,
        aesAllCoresBytesPerSecond: wide * 1000,
      },
      {
        baseline: `${ratio(size / ms, aes)} AES-GCM one at a time, ${
          ratio(size / ms, wide)
        } on all cores (${mibs(wide, 1)})`,
        own: `${perMiB.toFixed(1)} ms a MiB`,
      },
    );
  };
  let before = ownCpu();
  const sealMs = await medianOf(async () => {
    sealed.length = 0;
    return await time(async () => {
      for await (const chunk of sealBody(context, sender, size, source())) sealed.push(chunk);
    });
  });
  report("sealing a body", sealMs, ownCpu() - before);
  before = ownCpu();
  const stored = async function* () {
    for (const chunk of sealed) yield await Promise.resolve(chunk);
  };
  const openMs = await medianOf(() =>
    time(() =>
      openBody(context, sender.bundle, sealedBodySize(size), stored(), () => Promise.resolve())
    )
  );
  report("unsealing a body", openMs, ownCpu() - before);
}

async function bulk(): Promise<void> {
  const aes = await medianOf(() => rawAes(8));
  const sha = await medianOf(() => rawSha());
  // What the cores allow where nothing else is done: client and server seal, open and hash all bytes.
  const allowed = (aesPasses: number, shaPasses: number) => 1 / (aesPasses / aes + shaPasses / sha);
  await using served = await Served.start(["alice", "bob"], {}, [`--max-message=${4 * BODY}`]);
  const alice = (await served.logIn("alice")).session;
  const bob = (await served.logIn("bob")).session;
  const piece = new Uint8Array(65_536).fill(120);
  const sender = served.person("alice");
  const reader = served.person("bob");
  const sealed = await sealMessage({
    id: newMessageId(),
    from: sender.name,
    to: [{ name: reader.name, bundle: reader.identity.bundle, fresh: false }],
    cc: [],
    bcc: [],
    subject: "bulk",
    date: Date.now(),
    head: SOME_HEAD,
    attachments: [],
    composed: {
      size: BODY,
      async *stream() {
        for (let at = 0; at < BODY; at += piece.length) yield await Promise.resolve(piece);
      },
    },
  }, sender.identity);
  const up = await measured(served, () => alice.link.upload(sealed.request, sealed.bytes));
  const report = (
    what: string,
    { ms, cpu, own }: { readonly ms: number; readonly cpu: number; readonly own: number },
    aesPasses: number,
    shaPasses: number,
  ) => {
    const most = allowed(aesPasses, shaPasses);
    const size = BODY / MIB;
    row(
      what,
      mibs(BODY, ms),
      {
        bytesPerSecond: BODY / ms * 1000,
        allowedBytesPerSecond: most * 1000,
        serverCpuMsPerMiB: cpu / size,
        clientCpuMsPerMiB: own / size,
      },
      {
        baseline: `${ratio(BODY / ms, most)} ${mibs(most, 1)}, which ${aesPasses} × AES-GCM and ` +
          `${shaPasses} × SHA-256 on all cores allow`,
        cpu: `${(cpu / size).toFixed(1)} ms a MiB`,
        own: `${(own / size).toFixed(1)} ms a MiB`,
      },
    );
  };
  // The client seals and hashes chunks and seals records; the server opens records and hashes them.
  report(`upload of ${BODY / MIB} MiB, sealed on the way`, up, 3, 2);
  const fetch = async () => {
    const { data } = await bob.link.stream({ op: "fetch", uid: 1 });
    for await (const _ of data);
  };
  const down = await measured(served, fetch);
  // The server seals records, the client opens them.
  report(`download of ${BODY / MIB} MiB, not unsealed`, down, 2, 0);
  const { rss } = await served.usage();
  row("server's memory after that", `${(rss / MIB).toFixed(0)} MiB`, { bytes: rss });
  await Promise.all([alice.close(), bob.close()]);
}

async function crossing(): Promise<void> {
  await using served = await Served.start(["alice", "bob"], {}, ["--max-message=1GiB"]);
  const alice = (await served.logIn("alice")).session;
  const bulky = (await served.logIn("bob")).session;
  const small: Presealed[] = [];
  for (let i = 0; i < 600; i++) {
    small.push(await preseal(served.person("alice"), [served.person("bob")], 700));
  }
  const sends = async (count: number) => {
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      const message = small.pop();
      if (message) times.push(await time(() => alice.deliver(message)));
    }
    return times;
  };
  await sends(100);
  const alone = await sends(200);
  const large = await preseal(served.person("bob"), [served.person("alice")], 64 * MIB);
  let uploading = true;
  const upload = bulky.deliver(large).finally(() => uploading = false);
  const beside: number[] = [];
  while (uploading && small.length > 0) beside.push(...await sends(1));
  await upload;
  const show = (times: readonly number[]) => {
    return `p50 ${percentile(times, 0.5).toFixed(1)}, p99 ${percentile(times, 0.99).toFixed(1)} ms`;
  };
  row("a send while another uploads 64 MiB", show(beside), {
    p50Ms: percentile(beside, 0.5),
    p99Ms: percentile(beside, 0.99),
    aloneP50Ms: percentile(alone, 0.5),
    aloneP99Ms: percentile(alone, 0.99),
  }, { baseline: `alone: ${show(alone)}` });
  await Promise.all([alice.close(), bulky.close()]);
}

async function resting(): Promise<void> {
  const starts: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    starts.push(
      await time(async () => {
        await using _served = await Served.start(["alice"]);
      }),
    );
  }
  row("from start to ready to stopped", `${median(starts).toFixed(0)} ms`, { ms: median(starts) });
  await using served = await Served.start(["alice"]);
  const first = await served.logIn("alice");
  await first.session.close();
  const before = (await served.usage()).rss;
  const sessions: RawSession[] = [];
  let ticket = first.ticket;
  const count = 1000;
  while (sessions.length < count && ticket) {
    const session = await served.resume("alice", ticket);
    if (!session) throw new Error("a ticket was not taken");
    sessions.push(session);
    ticket = await session.nextTicket();
  }
  const after = (await served.usage()).rss;
  row(
    `memory of an idle connection (of ${count})`,
    `${((after - before) / count / 1024).toFixed(1)} KiB`,
    { bytes: (after - before) / count, serverBytesBefore: before, serverBytesAfter: after },
    {
      baseline: `server ${(before / MIB).toFixed(0)} MiB without, ${
        (after / MIB).toFixed(0)
      } MiB with them`,
    },
  );
  await Promise.all(sessions.map((session) => session.close()));
}

/** What the first search of a mailbox computes for each message, of 20 people who each use one lane. */
async function opening(): Promise<void> {
  const mailbox = await Mailbox.make(20, 20, 3072);
  const { length } = mailbox.messages;
  const costOf = async (lanes: boolean) => {
    const before = ownCpu();
    for (let run = 0; run < RUNS; run++) await mailbox.open(lanes);
    return (ownCpu() - before) / RUNS / length;
  };
  const without = await costOf(false);
  const cost = await costOf(true);
  row(
    `opening ${length} messages from 20 people for the first time`,
    `${rate(1, cost).toFixed(0)}/s of CPU`,
    { clientCpuMs: cost, clientCpuMsWithoutLanes: without },
    {
      baseline: `${ratio(cost, without)} a private operation for each (${without.toFixed(2)} ms)`,
      own: `${cost.toFixed(2)} ms`,
    },
  );
}

async function searching(): Promise<void> {
  const results = await searchKept(10_000, 2000, RUNS);
  const ms = median(results.map(({ search }) => search));
  const inMemory = median(results.map(({ inMemory }) => inMemory));
  row(
    "a search in 10000 messages of 2 KB",
    `${ms.toFixed(0)} ms`,
    { ms, inMemoryMs: inMemory },
    { baseline: `${ratio(ms, inMemory)} the same in memory (${inMemory.toFixed(0)} ms)` },
  );
}

async function reading(): Promise<void> {
  for (
    const [what, line] of [
      ["English", "What people write to each other, and so on, and so on.\n"],
      ["German", "Größe über alles, möchte man für gewöhnlich äußern.\n"],
      ["emoji", "👩‍👩‍👧 ❤️ "],
      ["hostile text", "\u202e\x1b[2J\u200b"],
    ] as const
  ) {
    const text = line.repeat(Math.ceil(1e6 / line.length)).slice(0, 1e6);
    const ms = await medianOf(() => printText(text));
    row(`a million characters of ${what}, made safe to print`, `${ms.toFixed(0)} ms`, { ms });
  }
  const size = 100 * MIB;
  const ms = await medianOf(() => readAttachment(size));
  row("reading an attachment in base64, after unsealing", mibs(size, ms), {
    bytesPerSecond: size / ms * 1000,
  });
}

/** The page with 10,000 messages, or as many as SEALPOST_BENCH_MESSAGES says; only if it is named. */
async function page(): Promise<void> {
  const count = Number(Deno.env.get("SEALPOST_BENCH_MESSAGES")) || 10_000;
  const { measurePage, pageSize } = await import("./page.ts");
  const size = await pageSize();
  row("the page, all its files by gzip", `${(size / 1000).toFixed(1)} KB`, { bytes: size });
  const { memory, fetching, peak, ...times } = await measurePage(count);
  const what = {
    shown: `the page with ${count} messages, after the token`,
    fetched: "a message opened that the server has",
    opened: "a message opened that is here",
    ended: "from one end of the list to the other",
  };
  for (const name of ["shown", "fetched", "opened", "ended"] as const) {
    const all = times[name];
    row(what[name], `p50 ${median(all).toFixed(0)}, max ${Math.max(...all).toFixed(0)} ms`, {
      medianMs: median(all),
      maxMs: Math.max(...all),
    });
  }
  const fetched = `${(fetching / MIB).toFixed(0)} MiB, at most ${(peak / MIB).toFixed(0)} MiB`;
  row("memory of the program that has fetched them", fetched, { bytes: fetching, peak });
  row("memory of one that is started then", `${(memory / MIB).toFixed(0)} MiB`, { bytes: memory });
}

/** The first search of 10,000 messages from 20 people, or as many as SEALPOST_BENCH_MESSAGES says. */
async function first(): Promise<void> {
  const count = Number(Deno.env.get("SEALPOST_BENCH_MESSAGES")) || 10_000;
  const senders = 20;
  const times = await measureFirstSearch(senders, Math.ceil(count / senders));
  const what = {
    subjects: `the first search of ${count} messages from ${senders} people`,
    texts: "the same, with all texts fetched and kept",
    again: "the search after that",
  };
  for (const name of ["subjects", "texts", "again"] as const) {
    const cpuMs = times[name];
    row(what[name], `${(cpuMs / 1000).toFixed(2)} s of CPU`, { cpuMs });
  }
}

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  handshakes,
  deliveries,
  listings,
  sealing,
  bulk,
  crossing,
  resting,
  opening,
  searching,
  reading,
};
const asJson = Deno.args.includes("--json");
const LONG: typeof PARTS = { page, first };
const named = Deno.args.filter((arg) => arg !== "--json");
const wanted = named.length > 0 ? named : Object.keys(PARTS);
for (const name of wanted) {
  const part = PARTS[name] ?? LONG[name];
  if (!part) {
    const all = [...Object.keys(PARTS), ...Object.keys(LONG)];
    console.error(`there is no part ${name}; there are ${all.join(", ")}`);
    Deno.exit(64);
  }
  await part();
}

if (asJson) {
  const { hardwareConcurrency: cores } = navigator;
  const measurements = rows.map(({ what, figures }) => ({ what, ...figures }));
  const at = new Date().toISOString();
  console.log(JSON.stringify({ deno: Deno.version.deno, cores, runs: RUNS, at, measurements }));
} else {
  printTable();
}

function printTable(): void {
  const head: Row = {
    what: "what",
    value: "median",
    baseline: "baseline",
    cpu: "server's CPU",
    own: "load's CPU",
  };
  const width = (pick: (row: Row) => string) =>
    Math.max(...[head, ...rows].map((r) => pick(r).length));
  const widths = {
    what: width((r) => r.what),
    value: width((r) => r.value),
    cpu: width((r) => r.cpu),
    own: width((r) => r.own),
  };
  console.log(
    `Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores, medians of ${RUNS} runs\n`,
  );
  for (const { what, value, baseline, cpu, own } of [head, ...rows]) {
    const cells = [
      what.padEnd(widths.what),
      value.padStart(widths.value),
      cpu.padStart(widths.cpu),
      own.padStart(widths.own),
      baseline,
    ];
    console.log(cells.join("  "));
  }
}

// Whether times of answers tell a stranger what the answers do not: which names exist, whether a wrong
// login had the right password, what was wrong with an RSA ciphertext, and whether an id is nearly that
// of a link or a kit. Classes come in an order by
// chance, one connection at a time, so that whatever else the machine does meets all alike. Takes some
// 10 minutes: deno task bench:timing [HOW MANY OF EACH [logins|ciphertexts|visits ...]]. What was found:
// docs/ASSURANCE.md.

import { DEFAULT_ARGON2 } from "../crypto/argon2.ts";
import { visit } from "../client/connection/visit.ts";
import { type Bytes, random, toBase64, toHex } from "../crypto/bytes.ts";
import { isSealpostError } from "../crypto/error.ts";
import { type Bundle, generateIdentity, type Identity } from "../crypto/identity.ts";
import { decapsulate, encapsulate } from "../crypto/kem.ts";
import { rsaEncrypt } from "../crypto/rsa.ts";
import { parseAddress } from "../protocol/address.ts";
import { type ByteStream, ExactReader } from "../protocol/byte_stream.ts";
import { RECORD_HEADER } from "../protocol/record.ts";
import { ClientHandshake, SIZE_A, SIZE_B, SIZE_D } from "../protocol/handshake.ts";
import { kitKeys, newKitCode, sealKit } from "../protocol/kit.ts";
import { encodePassword } from "../protocol/login.ts";
import { VERDICT_SIZE } from "../protocol/request.ts";
import { connectSocket } from "../protocol/socket.ts";
import type { VisitRequest } from "../protocol/visit.ts";
import { passwordOf } from "../tests/support/program.ts";
import type { RawSession } from "../tests/support/raw_session.ts";
import { percentile, Served } from "./serving.ts";
import { mean, SEEN, variance, welch } from "./welch.ts";

const [HOW_MANY = "2000", ...PARTS] = Deno.args;
const COUNT = Number(HOW_MANY);
const RSA_BITS = 3072;
const KNOWN = "alice";
const UNKNOWN = "aljce";

/** Times by class, milliseconds; the first class is what the others are compared with. */
type Times = Map<string, number[]>;

/** Takes the time of each class `count` times, in an order by chance. */
async function sample(
  classes: Readonly<Record<string, () => Promise<number>>>,
  count: number,
): Promise<Times> {
  const names = Object.keys(classes);
  const times: Times = new Map(names.map((name) => [name, []]));
  const order = names.flatMap((name) => Array<string>(count).fill(name));
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j] ?? "", order[i] ?? ""];
  }
  // What runs for the first time is slower.
  for (const name of names) for (let i = 0; i < 10; i++) await classes[name]?.();
  for (const [i, name] of order.entries()) {
    const ms = await classes[name]?.();
    if (ms !== undefined) times.get(name)?.push(ms);
    if (i % 200 === 0) await Deno.stderr.write(new TextEncoder().encode("."));
  }
  return times;
}

/** The share of the fastest, of all classes together, that are compared: the slow ones are mostly noise. */
const SHARES = [1, 0.9, 0.5];

/** Prints the classes, and how each differs from the first. */
function report(title: string, times: Times): void {
  const width = Math.max(...[...times.keys()].map((name) => name.length));
  const line = (name: string, cells: readonly string[]) =>
    console.log([name.padEnd(width), ...cells.map((text) => text.padStart(11))].join("  "));
  console.log(`\n${title}`);
  line("", ["median", "mean", "sd"]);
  for (const [name, values] of times) {
    line(name, [percentile(values, 0.5), mean(values), Math.sqrt(variance(values))].map(ms));
  }
  const [first = []] = times.values();
  for (const share of SHARES) {
    const slow = share === 1 ? Infinity : percentile([...times.values()].flat(), share);
    const fast = (values: readonly number[]) => values.filter((value) => value < slow);
    line(share === 1 ? "all of them" : `the fastest ${share}`, [
      "differs by",
      "t",
      "p",
      "resolves",
    ]);
    for (const [name, values] of times) {
      if (values === first) continue;
      const { difference, t, p, resolution } = welch(fast(first), fast(values));
      line(name, [us(difference), t.toFixed(2), p.toPrecision(2), us(resolution)]);
    }
  }
}

const ms = (value: number) => `${value.toFixed(3)} ms`;
const us = (value: number) => `${(value * 1000).toFixed(0)} µs`;

/** A connection to the server, closed after `work`. */
async function connected<T>(
  address: string,
  work: (stream: ByteStream, reader: ExactReader) => Promise<T>,
): Promise<T> {
  const stream = await connectSocket(parseAddress(address));
  try {
    return await work(stream, new ExactReader(stream));
  } finally {
    stream.close();
  }
}

async function take(reader: ExactReader, size: number): Promise<Bytes> {
  const bytes = await reader.exactly(size);
  if (!bytes) throw new Error("the server ended the connection");
  return bytes;
}

/** The time from message E to the verdict. */
function verdictOn(
  served: Served,
  server: Bundle,
  identity: Identity,
  name: string,
  password: string,
) {
  return () =>
    connected(served.server.address, async (stream, reader) => {
      const handshake = await ClientHandshake.start(server, identity);
      await stream.write(await handshake.writeA());
      await handshake.readB(await take(reader, SIZE_B));
      const login = { name, password: encodePassword(password), client: "sealpost/bench" };
      await stream.write(await handshake.writeC(login));
      await handshake.readD(await take(reader, SIZE_D));
      const e = await handshake.writeE();
      const from = performance.now();
      await stream.write(e);
      await take(reader, RECORD_HEADER + VERDICT_SIZE + 16);
      return performance.now() - from;
    });
}

/** What stands in the place of the ciphertexts of message A: RSA's, padded to 512 bytes, and ML-KEM's. */
type Ciphertexts = (server: Bundle) => Promise<{ readonly rsa: Bytes; readonly mlkem: Bytes }>;

const RSA_SIZE = RSA_BITS / 8;

/** The first is as it should be. */
const CIPHERTEXTS: Readonly<Record<string, Ciphertexts>> = {
  "valid": async (server) => {
    const { ctRsa, ctMlkem } = await encapsulate(server, "hs-server");
    return { rsa: ctRsa, mlkem: ctMlkem };
  },
  "RSA: noise, below the modulus": async (server) => {
    const { ctMlkem } = await encapsulate(server, "hs-server");
    const rsa = random(RSA_SIZE);
    rsa[0] = 0;
    return { rsa, mlkem: ctMlkem };
  },
  "RSA: above the modulus": async (server) => {
    const { ctMlkem } = await encapsulate(server, "hs-server");
    return { rsa: random(RSA_SIZE).fill(255, 0, 16), mlkem: ctMlkem };
  },
  "RSA: a secret of 16 bytes": async (server) => {
    const { ctMlkem } = await encapsulate(server, "hs-server");
    return { rsa: await rsaEncrypt(server.rsaKey, random(16)), mlkem: ctMlkem };
  },
  "ML-KEM: noise": async (server) => {
    const { ctRsa, ctMlkem } = await encapsulate(server, "hs-server");
    return { rsa: ctRsa, mlkem: random(ctMlkem.length) };
  },
};

/** The time from message A to message B. */
function answerTo(served: Served, server: Bundle, identity: Identity, make: Ciphertexts) {
  return () =>
    connected(served.server.address, async (stream, reader) => {
      const handshake = await ClientHandshake.start(server, identity);
      const a = await handshake.writeA();
      const { rsa, mlkem } = await make(server);
      a.fill(0, SIZE_A - 1600);
      a.set(rsa, SIZE_A - 1600);
      a.set(mlkem, SIZE_A - mlkem.length);
      const from = performance.now();
      await stream.write(a);
      await take(reader, SIZE_B);
      return performance.now() - from;
    });
}

/** The time that the private operation takes by itself: what the grid is there to hide. */
function operationOn(identity: Identity, make: Ciphertexts) {
  return async () => {
    const { rsa, mlkem } = await make(identity.bundle);
    const from = performance.now();
    await decapsulate(identity, "hs-server", rsa, mlkem);
    return performance.now() - from;
  };
}

/** The time from the request of a visit to its refusal. */
function refusalOf(served: Served, request: () => VisitRequest) {
  return async () => {
    let from = 0;
    try {
      await visit(parseAddress(served.server.address), () => {
        from = performance.now();
        return Promise.resolve(request());
      });
    } catch (error) {
      if (isSealpostError(error, "no-such-message")) return performance.now() - from;
      throw error;
    }
    throw new Error("a visit was granted that should not have been");
  };
}

/** `id` with other bits in its last byte. */
function beside(id: Bytes): Bytes {
  const other = id.slice();
  other[15] = (other[15] ?? 0) ^ (1 + Math.floor(Math.random() * 255));
  return other;
}

/** Requests for ids that nothing has, some of them nearly those of a kit and of a link. */
async function nearMisses(
  link: RawSession["link"],
): Promise<Record<string, Record<string, () => VisitRequest>>> {
  const code = newKitCode();
  const keys = await kitKeys(code);
  const kit = await sealKit(keys, { name: KNOWN, counter: 1, date: Date.now() }, random(5000));
  await link.upload({ op: "kit-put", id: toHex(keys.id), size: kit.length }, once(kit));
  const open = random(16);
  await link.ask({ op: "link-open", id: toHex(open) });
  const kitAt = (id: Bytes): VisitRequest => ({ op: "kit-get", id: toHex(id) });
  const post = toBase64(random(1300));
  const linkAt = (id: Bytes): VisitRequest => ({ op: "link-post", id: toHex(id), post });
  return {
    kits: {
      "any id": () => kitAt(random(16)),
      "an id with 15 bytes of a kit's": () => kitAt(beside(keys.id)),
    },
    links: {
      "any id": () => linkAt(random(16)),
      "an id with 15 bytes of a link's": () => linkAt(beside(open)),
    },
  };
}

async function* once(bytes: Bytes): AsyncGenerator<Bytes, void, undefined> {
  yield await Promise.resolve(bytes);
}

async function bench(): Promise<void> {
  await using served = await Served.start(
    [KNOWN],
    { rsaBits: RSA_BITS, cost: DEFAULT_ARGON2 },
    ["--max-guesses=1000000", "--penalties=off"],
  );
  const { session } = await served.logIn(KNOWN);
  const stranger = await generateIdentity({ rsaBits: 2048 });
  const { bundle } = served;
  console.log(
    `Deno ${Deno.version.deno}, RSA of ${RSA_BITS} bits, ${COUNT} of each in an order by chance.\n` +
      `A difference is one from |t| = ${SEEN} on; "resolves" is the least that would have been.`,
  );
  const parts: Readonly<Record<string, () => Promise<void>>> = {
    logins: async () => {
      const verdict = (name: string, password: string) =>
        verdictOn(served, bundle, stranger, name, password);
      report(
        "From message E to a refusal",
        await sample({
          "a name that is there, a wrong password": verdict(KNOWN, "no password of hers"),
          "a name that is not there": verdict(UNKNOWN, "no password of hers"),
          "a name that is there, its password, another key": verdict(KNOWN, passwordOf(KNOWN)),
        }, COUNT),
      );
    },
    ciphertexts: async () => {
      const each = <T>(use: (make: Ciphertexts) => T) =>
        Object.fromEntries(Object.entries(CIPHERTEXTS).map(([name, make]) => [name, use(make)]));
      report(
        "From message A to message B",
        await sample(each((make) => answerTo(served, bundle, stranger, make)), COUNT),
      );
      const own = await generateIdentity({ rsaBits: RSA_BITS });
      report(
        "The private operation by itself, in this process, on no grid",
        await sample(each((make) => operationOn(own, make)), COUNT),
      );
    },
    visits: async () => {
      for (const [what, requests] of Object.entries(await nearMisses(session.link))) {
        const classes = Object.entries(requests).map(([name, request]) => {
          return [name, refusalOf(served, request)] as const;
        });
        report(
          `From the request of a visit to its refusal: ${what}`,
          await sample(Object.fromEntries(classes), COUNT),
        );
      }
    },
  };
  for (const name of PARTS.length > 0 ? PARTS : Object.keys(parts)) {
    const part = parts[name];
    if (!part) throw new Error(`there is no part ${name}`);
    await part();
  }
  await session.close();
}

await bench();

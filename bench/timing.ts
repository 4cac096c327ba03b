// Whether times of answers tell a stranger what the answers do not: which names exist, whether a wrong
// login had the right password, and what was wrong with an RSA ciphertext. Classes come in an order by
// chance, one connection at a time, so that whatever else the machine does meets all alike. Takes some
// 10 minutes: deno task bench:timing [HOW MANY OF EACH]. What was found: docs/ASSURANCE.md.

import { DEFAULT_ARGON2 } from "../crypto/argon2.ts";
import { type Bytes, random } from "../crypto/bytes.ts";
import { type Bundle, generateIdentity, type Identity } from "../crypto/identity.ts";
import { decapsulate, encapsulate } from "../crypto/kem.ts";
import { rsaEncrypt } from "../crypto/rsa.ts";
import { parseAddress } from "../protocol/address.ts";
import { type ByteStream, ExactReader } from "../protocol/byte_stream.ts";
import { RECORD_HEADER } from "../protocol/record.ts";
import { ClientHandshake, SIZE_A, SIZE_B, SIZE_D } from "../protocol/handshake.ts";
import { encodePassword } from "../protocol/login.ts";
import { VERDICT_SIZE } from "../protocol/request.ts";
import { connectSocket } from "../protocol/socket.ts";
import { passwordOf } from "../tests/support/program.ts";
import { percentile, Served } from "./serving.ts";
import { mean, SEEN, variance, welch } from "./welch.ts";

const COUNT = Number(Deno.args[0] ?? 2000);
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

async function bench(): Promise<void> {
  await using served = await Served.start(
    [KNOWN],
    { rsaBits: RSA_BITS, cost: DEFAULT_ARGON2 },
    ["--max-guesses=1000000", "--penalties=off"],
  );
  const { session } = await served.logIn(KNOWN);
  await session.close();
  const stranger = await generateIdentity({ rsaBits: 2048 });
  const { bundle } = served;
  console.log(
    `Deno ${Deno.version.deno}, RSA of ${RSA_BITS} bits, ${COUNT} of each in an order by chance.\n` +
      `A difference is one from |t| = ${SEEN} on; "resolves" is the least that would have been.`,
  );
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
}

await bench();

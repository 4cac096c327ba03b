import { type Bytes, concat, fromHex, lp, toHex, u64, utf8 } from "../../crypto/bytes.ts";
import { sign } from "../../crypto/ed25519.ts";
import { hmacSha256, sha256 } from "../../crypto/hash.ts";
import type { RotationFile, RotationVector } from "./files.ts";
import type { Identities } from "./identities.ts";
import { kemByHand, kemDraws } from "./kem_by_hand.ts";
import { drawsVector } from "./make_kem.ts";
import { pattern } from "./pattern.ts";
import { malleated } from "./signatures_by_hand.ts";

/** What one certificate says; keys and server are identities of keys.json. */
interface Facts {
  readonly user: string;
  readonly server: string;
  readonly seq: number;
  readonly from: string;
  readonly to: string;
  readonly time: number;
}

const TIME = 1_760_000_000_000;
const FIRST: Facts = {
  user: "dave",
  server: "server",
  seq: 1,
  from: "alice",
  to: "bob",
  time: TIME,
};
/** Of the server's own keys: no user, and the key that is left for the server's. */
const OF_SERVER: Facts = { ...FIRST, user: "", server: "server", from: "server", to: "gate" };
const OF_SERVER_NEXT: Facts = {
  ...{ ...OF_SERVER, server: "gate", from: "gate", to: "mallory" },
  ...{ seq: 2, time: TIME + 1 },
};
const SECOND: Facts = { ...FIRST, seq: 2, from: "bob", to: "carol", time: TIME + 1 };

export async function makeRotations(identities: Identities): Promise<RotationFile> {
  const certify = async (name: string, facts: Facts): Promise<RotationVector> => {
    const [from, to, server] = await Promise.all(
      [facts.from, facts.to, facts.server].map((one) => identities.get(one)),
    );
    if (!from || !to || !server) throw new Error("an unknown identity");
    const body = concat(
      lp(utf8(facts.user)),
      server.bundle.fp,
      u64(facts.seq),
      from.bundle.fp,
      to.bundle.fp,
      u64(facts.time),
    );
    const label = facts.user === "" ? "sealpost/1 server rotate" : "sealpost/1 rotate";
    const signed = concat(utf8(label), body);
    const [old, young] = [await sign(from.ed25519Key, signed), await sign(to.ed25519Key, signed)];
    return {
      name,
      ...facts,
      signed: toHex(signed),
      certificate: toHex(concat(body, old, young)),
    };
  };
  const longest = { ...SECOND, user: "d".repeat(32), seq: 2 ** 53 - 1, time: 2 ** 53 - 1 };
  const certificates = [
    await certify("first", FIRST),
    await certify("second", SECOND),
    await certify("third", { ...SECOND, seq: 3, from: "carol", to: "gate", time: TIME + 2 }),
    await certify("the largest", longest),
    await certify("back", { ...SECOND, to: "alice" }),
    await certify("another user", { ...FIRST, user: "erin" }),
    await certify("another server", { ...FIRST, server: "gate" }),
    await certify("a number left out", { ...FIRST, seq: 2 }),
    await certify("a branch", { ...FIRST, to: "mallory" }),
    await certify("of the server", OF_SERVER),
    await certify("of the server, second", OF_SERVER_NEXT),
    await certify("of the server, back", { ...OF_SERVER_NEXT, to: "server" }),
    await certify("of the server, a rival", { ...OF_SERVER, to: "mallory" }),
  ];
  const first = certificates[0];
  const ofServer = certificates.find(({ name }) => name === "of the server");
  if (!first || !ofServer) throw new Error("there is no certificate");
  return {
    certificates,
    proofs: [await proof(identities, first)],
    chains: [
      chain("one step", ["first"], "bob"),
      chain("two steps", ["first", "second"], "carol"),
      chain("three steps", ["first", "second", "third"], "gate"),
      chain("the last step", ["second"], "carol", { start: "bob", seq: 1 }),
      server("a server's step", ["of the server"], "gate"),
      server("a server's two steps", ["of the server", "of the server, second"], "mallory"),
      server("a server's last step", ["of the server, second"], "mallory", {
        start: "gate",
        seq: 1,
      }),
      chain("a server with two keys", ["another server"], "bob", { servers: ["server", "gate"] }),
    ],
    malformed: [...malformed(first), ...malformedServers(ofServer)],
    refused: [
      wrong("chain-empty", "no certificate", [], "bob"),
      wrong("chain-user", "for another user", ["another user"], "bob"),
      wrong("chain-server", "for another server", ["another server"], "bob"),
      wrong("chain-number", "a number is left out", ["a number left out"], "bob"),
      wrong("chain-pin", "the pin has another number", ["first"], "bob", { seq: 1 }),
      wrong("chain-gap", "a step is left out", ["first", "third"], "gate"),
      wrong("chain-start", "it begins at another key", ["second"], "carol"),
      wrong("chain-end", "it ends before the key that is offered", ["first"], "carol"),
      wrong("chain-branch", "it ends at another key", ["a branch"], "bob"),
      wrong("chain-back", "it leads to a key that was left in it", ["first", "back"], "alice"),
      wrong("chain-retired", "it leads to a key that was left before", ["first"], "bob", {
        retired: ["bob"],
      }),
      wrongServer("server-chain-empty", "no certificate", [], "gate"),
      wrongServer("server-chain-back", "it leads to a key that was left in it", [
        "of the server",
        "of the server, back",
      ], "server"),
      wrongServer(
        "server-chain-retired",
        "it leads to a key that was left before",
        [
          "of the server",
        ],
        "gate",
        { retired: ["gate"] },
      ),
      wrongServer(
        "server-chain-rival",
        "it ends at another key",
        ["of the server, a rival"],
        "gate",
      ),
      wrongServer(
        "server-chain-number",
        "the pinned key has another number",
        [
          "of the server",
        ],
        "gate",
        { seq: 1 },
      ),
      {
        ...wrongServer("server-chain-of-a-user", "a user's certificate", ["first"], "bob", {
          start: "alice",
        }),
        error: "format",
      },
      {
        ...wrong("chain-of-a-server", "a server's certificate", ["of the server"], "gate", {
          start: "server",
        }),
        error: "format",
      },
    ],
  };
}

type Chain = RotationFile["chains"][number];

function chain(
  name: string,
  certificates: readonly string[],
  end: string,
  more: Partial<Chain> = {},
): Chain {
  const usual = { user: "dave", servers: ["server"], start: "alice", seq: 0, retired: [] };
  return { name, ...usual, certificates, end, ...more };
}

function server(
  name: string,
  certificates: readonly string[],
  end: string,
  more: Partial<Chain> = {},
): Chain {
  return chain(name, certificates, end, { user: "", servers: [], start: "server", ...more });
}

function wrongServer(
  ...[name, why, certificates, end, more]: Parameters<typeof wrong>
): RotationFile["refused"][number] {
  return { ...server(name, certificates, end, more), why, error: "authentication" };
}

function wrong(
  name: string,
  why: string,
  certificates: readonly string[],
  end: string,
  more: Partial<Chain> = {},
): RotationFile["refused"][number] {
  return { ...chain(name, certificates, end, more), why, error: "authentication" };
}

async function proof(
  identities: Identities,
  { name, to, certificate }: RotationVector,
): Promise<RotationFile["proofs"][number]> {
  const { bundle } = await identities.get(to);
  const draws = kemDraws("sealpost vectors rotation");
  const { ctRsa, ctMlkem, secret } = await kemByHand(bundle, "rotate", draws);
  const exported = pattern("sealpost vectors rotation exporter", 32);
  const digest = await sha256(fromHex(certificate));
  return {
    name: "of the new key",
    certificate: name,
    draws: drawsVector(draws),
    ctRsa: toHex(ctRsa),
    ctMlkem: toHex(ctMlkem),
    secret: toHex(secret),
    exported: toHex(exported),
    proof: toHex(await hmacSha256(secret, concat(exported, digest))),
  };
}

function malformed({ name: base, certificate }: RotationVector): RotationFile["malformed"] {
  const bytes = fromHex(certificate);
  // LP("dave") has 8 bytes; then server, seq, fp_old, fp_new, time, and both signatures.
  const at = { server: 8, seq: 40, old: 48, young: 80, time: 112, byOld: 120, byNew: 184 };
  const flip = (name: string, why: string, place: number) => {
    return { name, why, base, edits: [{ at: place, xor: "01" }], error: "authentication" as const };
  };
  const broken = (
    name: string,
    why: string,
    edits: RotationFile["malformed"][number]["edits"],
    error: "format" | "authentication" = "format",
  ) => ({ name, why, base, edits, error });
  const put = (place: number, given: Bytes) => [{ at: place, put: toHex(given) }];
  const byOld = bytes.slice(at.byOld, at.byNew);
  const byNew = bytes.slice(at.byNew);
  return [
    flip("certificate-name", "a character of the name", 7),
    flip("certificate-server", "a bit of the server's fingerprint", at.server),
    flip("certificate-seq", "a bit of the number", at.seq + 6),
    flip("certificate-old", "a bit of fp_old", at.old),
    flip("certificate-new", "a bit of fp_new", at.young),
    flip("certificate-time", "a bit of the time", at.time + 7),
    flip("certificate-by-old", "a bit of the old key's signature", at.byOld),
    flip("certificate-by-new", "a bit of the new key's signature", at.byNew),
    broken("certificate-cut", "the last byte is missing", [{ keep: bytes.length - 1 }]),
    broken("certificate-longer", "a byte more", [{ at: bytes.length, insert: "00" }]),
    broken("certificate-empty", "no bytes", [{ keep: 0 }]),
    broken("certificate-no-name", "a name of no characters", [
      { at: 0, put: "00000000" },
      { at: 4, remove: 4 },
    ]),
    broken("certificate-capital", "a capital letter in the name", put(4, utf8("D"))),
    broken("certificate-utf8", "a name that is not UTF-8", put(4, new Uint8Array([0xff]))),
    broken("certificate-long-name", "a longer name than there is", put(3, new Uint8Array([5]))),
    broken("certificate-seq-0", "the number 0", put(at.seq, u64(0))),
    broken("certificate-seq-large", "a number above 2^53 - 1", put(at.seq, u64max())),
    broken("certificate-time-large", "a time above 2^53 - 1", put(at.time, u64max())),
    broken(
      "certificate-itself",
      "fp_new is fp_old",
      put(at.young, bytes.slice(at.old, at.young)),
    ),
    broken(
      "certificate-old-twice",
      "the old key's signature twice",
      put(at.byNew, byOld),
      "authentication",
    ),
    broken(
      "certificate-new-twice",
      "the new key's signature twice",
      put(at.byOld, byNew),
      "authentication",
    ),
    broken(
      "certificate-swapped",
      "the signatures change places",
      put(at.byOld, concat(byNew, byOld)),
      "authentication",
    ),
    broken(
      "certificate-malleated",
      "S of the new key's signature is above the order",
      put(at.byNew, malleated(byNew)),
      "authentication",
    ),
  ];
}

/** LP("") has 4 bytes; then as in {@linkcode malformed}. */
function malformedServers({ name: base, certificate }: RotationVector): RotationFile["malformed"] {
  const bytes = fromHex(certificate);
  const at = { server: 4, old: 44, byOld: 116 };
  return [
    {
      ...{ name: "server-certificate-other", base, error: "format" as const },
      why: "the server's key is not the one that is left",
      edits: [{ at: at.server, xor: "01" }],
    },
    {
      ...{ name: "server-certificate-old", base, error: "authentication" as const },
      why: "another key is left, in both places",
      edits: [{ at: at.server, xor: "01" }, { at: at.old, xor: "01" }],
    },
    {
      ...{ name: "server-certificate-by-old", base, error: "authentication" as const },
      why: "a bit of the old key's signature",
      edits: [{ at: at.byOld, xor: "01" }],
    },
    {
      ...{ name: "server-certificate-cut", base, error: "format" as const },
      why: "the last byte is missing",
      edits: [{ keep: bytes.length - 1 }],
    },
  ];
}

function u64max(): Bytes {
  return new Uint8Array(8).fill(0xff);
}

import { assertEquals } from "@std/assert";
import { type Bytes, fromHex, toHex } from "../../crypto/bytes.ts";
import { encodeBundle } from "../../crypto/identity.ts";
import { decapsulate } from "../../crypto/kem.ts";
import {
  certify,
  certifyServer,
  decodeCertificate,
  decodeServerCertificate,
  followChain,
  followServerChain,
  ROTATION_LABEL,
  rotationProof,
  verifyCertificate,
} from "../../protocol/rotation.ts";
import { forEachCase, forEachRefused } from "./cases.ts";
import { edited } from "./edits.ts";
import { type ChainVector, readVectors, type RotationFile } from "./files.ts";
import { Identities } from "./identities.ts";

const file = await readVectors<RotationFile>("rotation.json");
const identities = await Identities.load();

function certificateOf(name: string) {
  const found = file.certificates.find((one) => one.name === name);
  if (!found) throw new Error(`there is no certificate ${name}`);
  return found;
}

/** A certificate of `user`; an empty name is the server's own. */
function decodeFor(user: string, bytes: Bytes) {
  return user === "" ? decodeServerCertificate(bytes) : decodeCertificate(bytes);
}

Deno.test("the vectors of rotations: a certificate has these bytes, and verifies", async () => {
  await forEachCase(file.certificates, async (vector) => {
    const { user: name, seq, time } = vector;
    const [from, to] = [await identities.get(vector.from), await identities.get(vector.to)];
    const serverFp = (await identities.get(vector.server)).bundle.fp;
    const made = name === ""
      ? await certifyServer({ seq, time }, from, to)
      : await certify({ name, serverFp, seq, time }, from, to);
    assertEquals(toHex(made), vector.certificate);
    const read = decodeFor(name, made);
    assertEquals([read.name, read.seq, read.time], [name, seq, time]);
    await verifyCertificate(read, from.bundle, to.bundle);
  });
});

Deno.test("the vectors of rotations: the proof of a new key", async () => {
  await forEachCase(file.proofs, async (vector) => {
    const { to, certificate } = certificateOf(vector.certificate);
    const ct = [fromHex(vector.ctRsa), fromHex(vector.ctMlkem)] as const;
    const secret = await decapsulate(await identities.get(to), "rotate", ...ct);
    assertEquals(toHex(secret), vector.secret);
    const proof = await rotationProof(secret, fromHex(certificate), (label) => {
      assertEquals(label, ROTATION_LABEL);
      return Promise.resolve(fromHex(vector.exported));
    });
    assertEquals(toHex(proof), vector.proof);
  });
});

async function follow(chain: ChainVector) {
  const fps = async (names: readonly string[]) => {
    return await Promise.all(names.map(async (name) => (await identities.get(name)).bundle.fp));
  };
  const given = chain.certificates.map(certificateOf).map(async ({ certificate, from }) => {
    const bundle = encodeBundle((await identities.get(from)).bundle);
    return { certificate: fromHex(certificate), bundle };
  });
  const links = await Promise.all(given);
  const end = (await identities.get(chain.end)).bundle;
  const start = { bundle: (await identities.get(chain.start)).bundle, seq: chain.seq };
  if (chain.user === "") {
    return await followServerChain(start, links, end, await fps(chain.retired));
  }
  return await followChain(
    { name: chain.user, serverFps: await fps(chain.servers), retired: await fps(chain.retired) },
    start,
    links,
    end,
  );
}

Deno.test("the vectors of rotations: chains that are accepted", async () => {
  await forEachCase(file.chains, async (chain) => {
    const { now, left } = await follow(chain);
    assertEquals(now.bundle.fp, (await identities.get(chain.end)).bundle.fp);
    assertEquals([now.seq, left.length], [
      chain.seq + chain.certificates.length,
      chain.certificates.length,
    ]);
  });
});

Deno.test("the vectors of rotations: certificates and chains that are refused", async () => {
  await forEachRefused(file.malformed, async ({ base, edits }) => {
    const { user, certificate, from, to } = certificateOf(base);
    const read = decodeFor(user, edited(fromHex(certificate), edits));
    const [old, young] = [await identities.get(from), await identities.get(to)];
    await verifyCertificate(read, old.bundle, young.bundle);
  });
  await forEachRefused(file.refused, follow);
});

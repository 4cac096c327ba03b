// @ts-check
// Sections 10.10 and 15.2: certificates by which one key takes the place of another.

import { concat, equal, fromUtf8, lp, Reader, u64, utf8 } from "./bytes.mjs";
import { ed25519Sign, ed25519Verify } from "./curves.mjs";
import { Failure } from "./error.mjs";
import { isName } from "./identity.mjs";
import { hmac, sha256 } from "./primitives.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("./identity.mjs").Bundle} Bundle */
/** @typedef {import("./identity.mjs").Identity} Identity */

/** An empty name is that of the server itself (15.1). @param {string} name */
const labelFor = (name) => name === "" ? "sealpost/1 server rotate" : "sealpost/1 rotate";

/**
 * What both keys sign.
 *
 * @param {string} name @param {Bytes} serverFp @param {number} seq
 * @param {Bytes} fpOld @param {Bytes} fpNew @param {number} time
 */
export function signedText(name, serverFp, seq, fpOld, fpNew, time) {
  const facts = concat(lp(utf8(name)), serverFp, u64(seq), fpOld, fpNew, u64(time));
  return concat(utf8(labelFor(name)), facts);
}

/** @param {string} name @param {Bytes} signed @param {Identity} from @param {Identity} to @returns {Bytes} */
export function certificate(name, signed, from, to) {
  const facts = signed.subarray(labelFor(name).length);
  return concat(facts, ed25519Sign(from.ed25519, signed), ed25519Sign(to.ed25519, signed));
}

/**
 * A certificate taken apart and verified for these two bundles: of a person's keys, or of a server's.
 *
 * @param {Bytes} bytes @param {Bundle} from @param {Bundle} to @param {boolean} [ofServer]
 */
export function readCertificate(bytes, from, to, ofServer = false) {
  const reader = new Reader(bytes);
  const name = fromUtf8(reader.take(reader.u32()));
  const serverFp = reader.take(32);
  const seq = reader.u64();
  const fpOld = reader.take(32);
  const fpNew = reader.take(32);
  const time = reader.u64();
  const byOld = reader.take(64);
  const byNew = reader.take(64);
  const isWhose = ofServer ? name === "" && equal(serverFp, fpOld) : isName(name);
  if (reader.left > 0 || !isWhose || seq === 0 || equal(fpOld, fpNew)) {
    throw new Failure("format", "a certificate that does not fit its layout");
  }
  if (!equal(fpOld, from.fp) || !equal(fpNew, to.fp)) {
    throw new Failure("authentication", "a certificate about other keys");
  }
  const signed = signedText(name, serverFp, seq, fpOld, fpNew, time);
  ed25519Verify(from.ed25519, signed, byOld, "the old key");
  ed25519Verify(to.ed25519, signed, byNew, "the new key");
  return { name, serverFp, seq, fpNew };
}

/**
 * The number of the key to which a chain leads; of a server's own keys, where `user` is empty.
 *
 * @param {string} user @param {Bytes[]} servers @param {Bundle} start @param {number} number
 * @param {Bytes[]} retired @param {{ certificate: Bytes, bundle: Bundle }[]} links
 * @param {Bundle} end
 */
export function followChain(user, servers, start, number, retired, links, end) {
  const strange = () => new Failure("authentication", "the chain does not lead there");
  if (links.length === 0) throw strange();
  const left = [...retired];
  let [now, at] = [start, number];
  links.forEach((link, i) => {
    const next = links[i + 1]?.bundle ?? end;
    left.push(now.fp);
    const ofServer = user === "";
    const { name, serverFp, seq } = readCertificate(link.certificate, now, next, ofServer);
    const known = ofServer || servers.some((fp) => equal(fp, serverFp));
    if (name !== user || !known || seq !== at + 1 || left.some((fp) => equal(fp, next.fp))) {
      throw strange();
    }
    [now, at] = [next, seq];
  });
  return at;
}

/** @param {Bytes} secret @param {Bytes} bytes the certificate @param {Bytes} exported */
export function proof(secret, bytes, exported) {
  return hmac(secret, exported, sha256(bytes));
}

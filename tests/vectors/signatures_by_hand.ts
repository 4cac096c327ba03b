import { type Bytes, concat } from "../../crypto/bytes.ts";
import { bytesOf, numberOf } from "./rsa_by_hand.ts";

/** The order of the base point of Ed25519. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

/** Another spelling of the same Ed25519 signature, which must not be taken: S + L in the place of S. */
export function malleated(signature: Bytes): Bytes {
  const s = numberOf(signature.slice(32).reverse());
  return concat(signature.slice(0, 32), bytesOf(s + L, 32).reverse());
}

import { type Bytes, toHex, wipe } from "../../crypto/bytes.ts";
import type { Bundle } from "../../crypto/identity.ts";
import type { Address } from "../../protocol/address.ts";
import { decodePackage, type DevicePackage } from "../../protocol/device_package.ts";
import { kitId, openKit } from "../../protocol/kit.ts";
import { visit } from "../connection/visit.ts";

/** A kit that was fetched and opened. */
export interface FetchedKit {
  readonly one: DevicePackage;
  /** The server that gave it. */
  readonly bundle: Bundle;
  /** When it was made or renewed, milliseconds since 1970. */
  readonly date: number;
}

/** The kit of `code`, opened. Throws what {@linkcode visit} and {@linkcode openKit} throw. */
export async function fetchKit(address: Address, code: Bytes): Promise<FetchedKit> {
  const id = toHex(await kitId(code));
  const { bundle, data } = await visit(
    address,
    () => Promise.resolve({ op: "kit-get" as const, id }),
  );
  const kit = await openKit(code, data);
  const one = decodePackage(kit.package);
  wipe(kit.package);
  return { one, bundle, date: kit.date };
}

import * as v from "valibot";
import { fromUtf8, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { type Address, formatAddress, formatServer, parseAddress } from "../../protocol/address.ts";
import { parseJson } from "../../protocol/schema.ts";
import type { State } from "./state.ts";

const FILE = "address-notice";

const schema = v.strictObject({
  version: v.literal(1),
  /** When the operator wrote it, milliseconds since 1970: signed with the server's key. */
  date: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  /** `HOST:PORT`, best first. */
  servers: v.array(v.string()),
  /** `open`: the person has not said yet whether to follow it. */
  decision: v.picklist(["open", "followed", "declined"]),
});
type Kept = v.InferOutput<typeof schema>;

/** That the server is at other addresses from now on, by its operator's word. */
export interface AddressNotice {
  /** When the operator wrote it, milliseconds since 1970. */
  readonly date: number;
  readonly address: Address;
}

/**
 * The newest notice of the server's addresses that this machine has seen, and what its person said to it. An
 * older one changes nothing any more, however often it comes.
 */
export class AddressNotices {
  readonly #state: State;
  /** Told of a notice that is newer than any before, once it is kept. */
  onNew: (notice: AddressNotice) => void = () => {};

  constructor(state: State) {
    this.#state = state;
  }

  /**
   * Takes over what an announcement says that is signed with the server's key; nothing if it is not newer
   * than what is known, or names what is no address.
   */
  async see(date: number, servers: readonly string[]): Promise<void> {
    const address = addressOf(servers);
    if (address === null) return;
    const isNew = await this.#state.update(FILE, (current) => {
      if (current !== null && decode(current).date >= date) return { data: null, result: false };
      return {
        data: encode({ version: 1, date, servers: [...servers], decision: "open" }),
        result: true,
      };
    });
    if (isNew) this.onNew({ date, address });
  }

  /**
   * The notice that the person has not decided on; null if there is none, or `present`, where the client
   * looks for the server, is what it says.
   */
  async open(present: Address | null): Promise<AddressNotice | null> {
    const bytes = await this.#state.read(FILE);
    const kept = bytes && decode(bytes);
    if (kept?.decision !== "open") return null;
    const address = addressOf(kept.servers);
    if (address === null) return null;
    const notice = { date: kept.date, address };
    if (present === null || formatServer(present) !== formatServer(address)) return notice;
    await this.decide(notice, "followed");
    return null;
  }

  /** Notes what the person has said to `notice`, if no newer one has come meanwhile. */
  async decide({ date }: AddressNotice, decision: "followed" | "declined"): Promise<void> {
    await this.#state.update(FILE, (current) => {
      const kept = current && decode(current);
      const same = kept?.date === date;
      return { data: same ? encode({ ...kept, decision }) : null, result: undefined };
    });
  }
}

/** What a client's settings have of these addresses; null if one of them is none. */
function addressOf(servers: readonly string[]): Address | null {
  try {
    const [first, ...others] = servers.map(parseAddress);
    if (!first || servers.some((text) => formatAddress(parseAddress(text)) !== text)) return null;
    return others.length === 0 ? first : { ...first, others };
  } catch (error) {
    if (isSealpostError(error, "usage")) return null;
    throw error;
  }
}

function encode(kept: Kept) {
  return utf8(JSON.stringify(kept));
}

function decode(bytes: Parameters<typeof fromUtf8>[0]): Kept {
  return parseJson(schema, fromUtf8(bytes));
}

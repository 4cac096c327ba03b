import { fromHex, toBase64, toHex } from "../../crypto/bytes.ts";
import { parseAddress } from "../../protocol/address.ts";
import { MAX_MACHINES } from "../../protocol/limits.ts";
import { ownAccount } from "./own_account.ts";
import { errorText, isSealpostError } from "../../crypto/error.ts";
import type { Handler, RequestContext } from "./request_context.ts";

/** The own account and how full its mailbox is. Remembers the machine that asks, if it says which it is. */
export const handleWhoami: Handler<"whoami"> = async ({ machine }, context) => {
  const { session, store, users } = context;
  const { quota } = context.settings();
  const { name, fp } = session;
  const account = await ownAccount(context);
  if (machine !== undefined && session.machine !== machine) {
    session.machine = machine;
    await remember(context, machine);
  }
  const kit = await store.kitState(name);
  const shared = await store.sharedVersion(name);
  return {
    response: {
      ok: true,
      name,
      fp: toBase64(fp),
      epoch: toHex(account.epoch),
      nextUid: account.nextUid,
      modseq: account.modseq,
      ...await store.usage(name),
      ...quota === Infinity ? {} : { quota },
      ...users.hasOneTimePassword(name) ? { change: true } : {},
      ...account.seq === 0 ? {} : { seq: account.seq },
      ...shared === 0 ? {} : { shared },
      ...kit === null ? {} : {
        kit: {
          id: toHex(kit.id),
          at: kit.at,
          ...kit.fetchedAt === null ? {} : { fetched: kit.fetchedAt },
        },
      },
    },
  };
};

/** Remembers that a machine is here. Mail can be read although nothing can be written. */
async function remember({ session, store, log }: RequestContext, machine: string): Promise<void> {
  const { name, peer } = session;
  const seen = { id: fromHex(machine), at: Date.now(), source: parseAddress(peer).host };
  try {
    await store.seeMachine(name, seen, MAX_MACHINES);
  } catch (error) {
    if (!isSealpostError(error, "disk-full", "file-io")) throw error;
    log.warn("machine-not-remembered", { name, why: errorText(error) });
  }
}

import { SealpostError } from "../../crypto/error.ts";
import { MAX_ID_AHEAD } from "../../protocol/limits.ts";
import { storeUpload } from "./deliver.ts";
import type { Handler } from "./request_context.ts";

/**
 * Stores a message that is sealed to oneself alone in a folder of one's own mailbox, durably and once
 * as `deliver` does. Throws `limit` for an arrival in the future, and what {@linkcode storeUpload} does.
 */
export const handleAppend: Handler<"append"> = async (request, context, data) => {
  const { name, fp } = context.session;
  const { folder, set, date } = request;
  if (date > Date.now() + MAX_ID_AHEAD) {
    throw new SealpostError("limit", "a message cannot have arrived in the future; check the date");
  }
  const { at, again, placed: [place] } = await storeUpload(
    {
      request,
      recipients: [{ name, fp }],
      copy: false,
      charged: false,
      copies: (stanzaOf) => {
        return [{ account: name, folder, flags: set, date, stanza: stanzaOf(fp), note: null }];
      },
    },
    context,
    data,
  );
  if (place === undefined) return { response: { ok: true, at, again } };
  const { uid, number, modseq } = place;
  return { response: { ok: true, at, again, uid, number, modseq } };
};

import type { Handler } from "./request_context.ts";

/** Waits for another machine with the same words. Throws `limit`, `id-conflict`. */
export const handleLinkOpen: Handler<"link-open"> = ({ id }, { session, links }) => {
  links.open(session, id);
  return Promise.resolve({ response: { ok: true } });
};

/** Sends the answer to the machine that waits. Throws `no-such-message` if none does. */
export const handleLinkAnswer: Handler<"link-answer"> = async ({ id, size }, context, data) => {
  const { session, links, log } = context;
  await links.answer(session, id, { size, data });
  log.info("machine-linked", { name: session.name, peer: session.peer });
  return { response: { ok: true } };
};

/** Ends a link. */
export const handleLinkClose: Handler<"link-close"> = ({ id }, { session, links }) => {
  links.close(session, id);
  return Promise.resolve({ response: { ok: true } });
};

import { toHex } from "../../crypto/bytes.ts";
import type { Handler } from "./request_context.ts";

/** The machines of the user: when and from where each was here last, and which are here now. */
export const handleMachines: Handler<"machines"> = async (_request, context) => {
  const { session: { name }, store, registry } = context;
  const online = new Set(
    registry.sessions().filter((one) => one.name === name).map(({ machine }) => machine),
  );
  const machines = (await store.machines(name)).map(({ id, first, last, source }) => {
    const hex = toHex(id);
    return { id: hex, first, last, source, online: online.has(hex) };
  });
  return { response: { ok: true, machines } };
};

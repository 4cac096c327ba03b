import { Siege } from "./siege.ts";

/** Declares a test in which the server is attacked. */
export type Attack = (
  name: string,
  body: (siege: Siege, t: Deno.TestContext) => Promise<void>,
  options?: { readonly ignore?: boolean },
) => void;

/**
 * For a file of attacks on one server with the users `names`, one after the other: after each the
 * server must be unharmed, so that the next one can begin. `serve`: arguments of the server.
 */
export function besiege(names: readonly string[], serve: readonly string[] = []): Attack {
  let siege: Siege | null = null;
  Deno.test.beforeAll(async () => {
    siege = await Siege.start(names, serve);
  });
  Deno.test.afterAll(async () => {
    await siege?.[Symbol.asyncDispose]();
  });
  return (name, body, { ignore = false } = {}) => {
    Deno.test({
      name,
      ignore,
      // The session that goes on meanwhile belongs to no test.
      sanitizeOps: false,
      sanitizeResources: false,
      async fn(t) {
        if (!siege) throw new Error("the server did not start");
        await siege.mark();
        await body(siege, t);
      },
    });
  };
}

import type { ImapCommand } from "../command.ts";
import { bad } from "../error.ts";

/** IDLE (RFC 9051, section 6.3.13): what happens is told at once, until DONE. */
export const IDLE: ImapCommand = {
  when: "logged-in",
  removals: true,
  run: async (context, args) => {
    args.end();
    const { store, output } = context;
    let wake = Promise.withResolvers<"changed">();
    const stop = store.onChange(() => wake.resolve("changed"));
    try {
      await store.refresh();
      const done = context.continueWith("idling");
      // It may fail when nobody waits for it any more.
      done.catch(() => {});
      for (;;) {
        await context.update(true);
        await output.flush();
        const what = await Promise.race([done, wake.promise]);
        if (what !== "changed") {
          if (what?.toUpperCase() !== "DONE") throw bad("DONE is missing");
          return;
        }
        wake = Promise.withResolvers();
      }
    } finally {
      stop();
    }
  },
};

import type { ImapCommand } from "../command.ts";

/** ENABLE (RFC 9051, section 6.3.1): CONDSTORE, QRESYNC (RFC 7162) and UTF8=ACCEPT (RFC 6855). */
export const ENABLE: ImapCommand = {
  when: "logged-in",
  removals: true,
  run: (context, args) => {
    const enabled: string[] = [];
    do {
      args.space();
      const name = args.take("UTF8=ACCEPT") ? "UTF8=ACCEPT" : args.word();
      if (!["CONDSTORE", "QRESYNC", "UTF8=ACCEPT"].includes(name)) continue;
      if (name === "UTF8=ACCEPT") context.features.add("utf8");
      else context.useCondstore();
      if (name === "QRESYNC") context.features.add("qresync");
      enabled.push(name);
    } while (!args.ended);
    context.output.line(`* ENABLED${enabled.map((name) => ` ${name}`).join("")}`);
    return Promise.resolve();
  },
};

import type { Topic } from "../cli/command.ts";

/** What help can be asked about besides commands. */
export const TOPICS: readonly Topic[] = [{
  name: "settings",
  summary: "the settings of sealpost.toml",
  load: async () => {
    const { SETTINGS_HELP } = await import("../client/state/config.ts");
    return {
      paragraphs: [
        "sealpost.toml in your folder has one setting a line, like cache = false. setup and connect " +
        "write server and user there; the rest is yours to add. Options count more than settings.",
        "sealpost.toml in a server's folder has the settings that serve --help lists, under the same " +
        "names.",
      ],
      terms: Object.entries(SETTINGS_HELP).map(([name, { example, help }]) =>
        [`${name} = ${example}`, help] as const
      ),
    };
  },
}];

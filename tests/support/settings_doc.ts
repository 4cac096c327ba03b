import { GROUPS, type Setting, SETTINGS } from "../../server/settings/settings_table.ts";

// The tables of settings in docs/OPERATING.md, from the table that the server has. To write them again:
//
//   deno run --allow-read=docs --allow-write=docs tests/support/settings_doc.ts

const DOCUMENT = new URL("../../docs/OPERATING.md", import.meta.url);
const BEGIN = "<!-- settings: written by tests/support/settings_doc.ts -->\n";
const END = "<!-- end of settings -->\n";

/** The tables, a heading for each group. */
export function settingsTables(): string {
  const all: readonly Setting[] = SETTINGS;
  return GROUPS.map((group) => {
    const rows = all.filter((setting) => setting.group === group).map(row);
    const head = "| setting | default | what it does |\n| --- | --- | --- |\n";
    return `\n#### ${group}\n\n${head}${rows.join("")}`;
  }).join("") + "\n";
}

function row(setting: Setting): string {
  const { name, help, about, live, off } = setting;
  const words = `${help[0]?.toUpperCase()}${help.slice(1)}. ${about}`;
  const none = off === undefined ? "" : ` \`off\`: ${off}.`;
  const restart = live ? "" : " *Takes a restart.*";
  const text = `${words}${none}${restart}`.replaceAll("|", "\\|");
  return `| \`${name}\` | \`${setting.default}\` | ${text} |\n`;
}

/** The tables as the document has them, and the document with others in their place. */
export async function readDocument(): Promise<{
  readonly tables: string;
  readonly replaced: (tables: string) => string;
}> {
  const text = await Deno.readTextFile(DOCUMENT);
  const [from, to] = [text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)];
  if (from < BEGIN.length || to < from) throw new Error("docs/OPERATING.md has lost its markers");
  return {
    tables: text.slice(from, to),
    replaced: (tables) => text.slice(0, from) + tables + text.slice(to),
  };
}

if (import.meta.main) {
  const { replaced } = await readDocument();
  await Deno.writeTextFile(DOCUMENT, replaced(settingsTables()));
}

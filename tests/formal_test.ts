import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { ROOT } from "./support/program.ts";

// The models in docs/formal say what the document says: each label stands in its list (18), and each
// message has the fields of its table, in its order.

const FOLDER = join(ROOT, "docs", "formal");

/** Under which heading the table of a message stands, and what stands before its rows there. */
const TABLES: Readonly<Record<string, readonly [heading: string, before: string]>> = {
  A: ["### 6.4", "**A**, 2819 bytes"],
  B: ["### 6.4", "**B**, 1392 bytes"],
  C: ["### 6.4", "**C**, 4128 bytes"],
  D: ["### 6.4", "**D**, 1632 bytes"],
  E: ["### 6.4", "**E**, 80 bytes"],
  R1: ["### 6.10", "**R1**, client to server"],
  R2: ["### 6.10", "**R2**, server to client"],
  H: ["### 12.3", ""],
  stanza: ["### 12.5", ""],
  certificate: ["### 10.10", ""],
  post: ["### 10.19", ""],
  kit: ["### 10.20", ""],
};

const document = await Deno.readTextFile(join(ROOT, "docs", "PROTOCOL.md"));
const models = new Map<string, string>();
for await (const { name } of Deno.readDir(FOLDER)) {
  if (name.endsWith(".pv")) models.set(name, await Deno.readTextFile(join(FOLDER, name)));
}

/** The last cell of each row of the first table after `before` under `heading`. */
function fields([heading, before]: readonly [string, string]): string[] {
  const section = document.indexOf(`\n${heading}`);
  assert(section >= 0, heading);
  const start = document.indexOf(before, section);
  assert(start >= 0, before);
  const table = /\n\|[^]*?\n\n/.exec(document.slice(start))?.[0] ?? "";
  const [, , ...rows] = table.trim().split("\n");
  return rows.map((row) => row.slice(1, -1).split("|").at(2)?.trim() ?? "");
}

Deno.test("the models use labels of the document", () => {
  const list = document.slice(document.indexOf("\n## 18."), document.indexOf("\n## 19."));
  // `… hs-client` is short for what the row began with.
  const labels = [...list.matchAll(/`([^`]+)`/g)].map(([, label = ""]) =>
    label.replace(/^… /, "sealpost/1 kem ")
  );
  let count = 0;
  for (const [name, text] of models) {
    for (const [, label = ""] of text.matchAll(/\(\* @label (.+?) \*\)/g)) {
      assert(labels.includes(label), `${name}: ${label}`);
      count++;
    }
  }
  assert(count > 10);
});

Deno.test("the messages of the models have the fields of the document", () => {
  const seen: string[] = [];
  for (const [file, text] of models) {
    for (const [, name = "", list = ""] of text.matchAll(/\(\* @message (\w+): (.+?) \*\)/g)) {
      const table = TABLES[name];
      assert(table, `${file}: ${name}`);
      const said = list.split(" | ");
      const written = fields(table);
      assertEquals(said.length, written.length, `${name}: ${written.join(" | ")}`);
      said.forEach((field, i) => assert(written[i]?.startsWith(field), `${name}: ${field}`));
      seen.push(name);
    }
  }
  assertEquals(seen.sort(), Object.keys(TABLES).sort());
});

Deno.test("each model has a query that shows that it can come to its end, and one that breaks", () => {
  for (const [name, text] of models) {
    assert(text.includes("(* @query reached | base : false"), name);
    assert(text.includes("(* @mutant ") || text.includes(" | both-broken : false"), name);
    assert(text.split("\n").length <= 400, `${name} is too long to be read`);
  }
});

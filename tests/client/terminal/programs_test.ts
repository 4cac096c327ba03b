import { assertEquals } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { TOOLS } from "../../../client/terminal/programs.ts";
import { testUnless } from "../../support/testing.ts";
import { inFolder } from "../../support/command.ts";

const noShell = Deno.build.os === "windows" ? "there is no shell for programs on Windows" : null;

/** What the shell for editors answers to `requests`, given `folder`, where there is no terminal. */
async function answers(folder: string, requests: string, cwd: string): Promise<string[]> {
  const shell = new Deno.Command("sh", {
    args: ["-c", TOOLS, "sh", folder],
    cwd,
    env: { VISUAL: "", EDITOR: 'ran() { echo "$@" > ran; }; ran' },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = shell.stdin.getWriter();
  await writer.write(new TextEncoder().encode(requests));
  await writer.close();
  const { stdout } = await shell.output();
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

testUnless(noShell, "the shell for editors takes the id of a draft, and nothing else", async () => {
  await inFolder(async (folder) => {
    const id = "0123456789abcdef";
    for (
      const name of [
        ...["-c:!touch owned", "/etc/passwd", "../../x", `${id}/../../x`, `$(touch owned)`],
        ...["", "*", "0123456789abcde", `${id}0`, id.toUpperCase(), `${id} x`, `'${id}`, `\\${id}`],
      ]
    ) {
      assertEquals(await answers(folder, `edit\n${name}\n`, folder), ["refused"], name);
    }
    // Without a folder, as for a pager, it edits nothing.
    assertEquals(await answers("", `edit\n${id}\n`, folder), ["refused"]);
    // What it takes fails here only for want of a terminal, and it goes on after a refusal.
    const [refused, taken, editor] = await answers(
      folder,
      `edit\nx\nedit\n${id}\neditor\n`,
      folder,
    );
    assertEquals([refused, Number(taken) > 0, editor], ["refused", true, "yes"]);
    for (const name of ["owned", "ran"]) assertEquals(await exists(join(folder, name)), false);
  });
});

testUnless(
  noShell,
  "what a message is piped to is typed at a terminal, and never what is asked for here",
  async () => {
    await inFolder(async (folder) => {
      // There is no terminal, so nobody types anything; what is in the text is not obeyed either.
      const text = "!touch owned\ntouch owned\npipe\nedit\n$(touch owned)\n";
      assertEquals(await answers("", `pipe\nend\n${text}end\neditor\n`, folder), ["left", "yes"]);
      assertEquals(await exists(join(folder, "owned")), false);
    });
  },
);

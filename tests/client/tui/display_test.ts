import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../../support/program.ts";

/** Makes a display as on another system, and prints `made`. */
const SCRIPT = `
  import process from "node:process";
  Object.defineProperty(process, "platform", { value: Deno.args[0] });
  const { Display } = await import("${new URL("../../../client/tui/display.ts", import.meta.url)}");
  const { PLAIN } = await import("${new URL("../../../client/tui/theme.ts", import.meta.url)}");
  const io = {
    size: () => ({ columns: 80, rows: 24 }),
    read: () => new Promise(() => {}),
    write: () => {},
    setRaw: () => {},
    onResize: () => () => {},
  };
  const frame = () => ({ lines: [], cursor: null });
  const display = new Display(io, PLAIN, { frame, key: () => {}, ended: () => {} });
  display.start();
  display.redraw();
  await new Promise((resolve) => setTimeout(resolve, 50));
  display.stop();
  console.log("made");
  Deno.exit(0);
`;

Deno.test("on every system the display reads no variable that connect may not read", async () => {
  const tasks = await Deno.readTextFile(new URL("../../../deno.json", import.meta.url));
  const [, variables] = /--allow-env=(\S*\bZELLIJ\b[^\s\\]*)/.exec(tasks) ?? [];
  assert(variables, "a task of deno.json lets connect read variables");
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, SCRIPT);
    for (const system of ["linux", "darwin", "win32"]) {
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-prompt", "--quiet", "--no-check", `--config=${ROOT}deno.json`]
          .concat(`--allow-read=${ROOT}`, `--allow-env=${variables}`, path, system),
        env: { NO_COLOR: "1" },
      }).output();
      const text = new TextDecoder();
      assertEquals([text.decode(stdout), text.decode(stderr)], ["made\n", ""], system);
    }
  } finally {
    await Deno.remove(path);
  }
});

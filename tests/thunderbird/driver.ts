import { exists } from "@std/fs";
import { join } from "@std/path";
import { fromBase64 } from "../../crypto/bytes.ts";
import { whyNo } from "../support/command.ts";
import { Program, ROOT } from "../support/program.ts";
import { Marionette } from "./marionette.ts";

/** Where Debian has it; a wrapper that looks for profiles is all there is on the PATH. */
const PLACE = "/usr/lib/thunderbird";

const INSIDE = new URL("inside.mjs", import.meta.url);

/** How long it may take to end, milliseconds. */
const END_PATIENCE = 20_000;

/** Where the pictures of a run are. */
export const PICTURES = join(ROOT, ".deno", "tmp", "thunderbird");

/** Settings that keep it quiet: it asks nothing, and nobody else, when it starts. */
const SETTINGS = {
  "marionette.port": 0,
  // Nobody answers there.
  "mailnews.auto_config_url": "http://127.0.0.1:9/",
  "services.settings.server": "http://127.0.0.1:9/",
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "app.update.enabled": false,
  "app.donation.eoy.version.viewed": 999,
  "datareporting.healthreport.uploadEnabled": false,
  "datareporting.policy.dataSubmissionPolicyBypassNotification": true,
  "mail.rights.version": 1,
  "mail.shell.checkDefaultClient": false,
  "mailnews.start_page.enabled": false,
  // As docs/BRIDGE.md says.
  "mailnews.headers.extraExpandedHeaders": "x-sealpost-verified",
};

/** Why Thunderbird cannot be driven here; null if it can. */
export async function whyNoThunderbird(): Promise<string | null> {
  if (!await exists(PLACE)) return `there is no ${PLACE}`;
  return await whyNo("Xvfb");
}

/** Thunderbird, on a display of its own that nobody sees, with a new profile. */
export class Thunderbird implements AsyncDisposable {
  readonly #screen: Program;
  readonly #program: Program;
  readonly #marionette: Marionette;

  private constructor(screen: Program, program: Program, marionette: Marionette) {
    this.#screen = screen;
    this.#program = program;
    this.#marionette = marionette;
  }

  /**
   * Starts it, with its files in `folder`, which is there; `autoconfig` are the settings that it has for
   * `domain` in its folder `isp`.
   */
  static async start(
    folder: string,
    domain: string,
    autoconfig: string,
  ): Promise<Thunderbird> {
    const profile = join(folder, "profile");
    for (const path of [profile, PICTURES, join(folder, "isp")]) {
      await Deno.mkdir(path, { recursive: true });
    }
    await Deno.writeTextFile(join(folder, "isp", `${domain}.xml`), autoconfig);
    const lines = Object.entries(SETTINGS).map(([name, value]) => {
      return `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`;
    });
    await Deno.writeTextFile(join(profile, "user.js"), lines.join(""));
    // A display, of a number that is free, for this machine alone.
    const screen = inShell(
      folder,
      'exec Xvfb -displayfd 1 -screen 0 "$1" -nolisten tcp',
      "1080x800x24",
    );
    let program: Program | null = null;
    try {
      const display = (await screen.expect("\n")).trim();
      // Its own folder again, by links, with another `isp`. It looks beside its executable for them.
      program = inShell(
        folder,
        `for file in "$1"/*; do
          case \${file##*/} in isp | thunderbird*) ;; *) ln -s "$file" .;; esac
        done
        cp "$1/thunderbird-bin" .
        HOME=$PWD DISPLAY=:$2 exec ./thunderbird-bin --marionette --remote-allow-system-access --no-remote --profile "$3"`,
        PLACE,
        display,
        profile,
      );
      await program.expect("Listening on port ");
      const port = Number(await program.expect("\n"));
      return new Thunderbird(screen, program, await Marionette.connect(port));
    } catch (error) {
      if (program) await ended(program);
      await ended(screen);
      throw error;
    }
  }

  /** Calls a function of inside.mjs; what it gives back, as JSON. Throws what it throws, as text. */
  async call(name: string, given: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const inside = (await Deno.readTextFile(INSIDE)).replaceAll(/^export /gm, "");
    const script = `const [given, done] = arguments;
(async () => {
${inside}
return await ${name}(given);
})().then((said) => done({ said: said ?? null }), (error) => done({ error: String(error) }));`;
    const result = await this.#marionette.command("WebDriver:ExecuteAsyncScript", {
      script,
      args: [given],
      sandbox: "system",
    });
    const answer = valueIn(result);
    if (typeof answer !== "object" || answer === null) throw new Error(`${name}: no answer`);
    if ("error" in answer) throw new Error(`${name}: ${answer.error}`);
    return "said" in answer ? answer.said : null;
  }

  /** Puts a picture of its newest window into {@linkcode PICTURES}. */
  async picture(name: string): Promise<void> {
    const handles = await this.#marionette.command("WebDriver:GetWindowHandles", {});
    if (!Array.isArray(handles)) throw new Error("there are no windows");
    const goTo = (handle: unknown) => {
      return this.#marionette.command("WebDriver:SwitchToWindow", { handle });
    };
    await goTo(handles.at(-1));
    const result = await this.#marionette.command("WebDriver:TakeScreenshot", { full: false });
    // Scripts run in the first, which stays.
    await goTo(handles[0]);
    const picture = valueIn(result);
    if (typeof picture !== "string") throw new Error("this is no picture");
    await Deno.writeFile(join(PICTURES, `${name}.png`), fromBase64(picture));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#marionette[Symbol.dispose]();
    await ended(this.#program);
    await ended(this.#screen);
  }
}

/** Starts a line of a shell's in `cwd`, which has `args` as $1 and so on. */
function inShell(cwd: string, line: string, ...args: readonly string[]): Program {
  return Program.start([line, "sh", ...args], { cwd, build: { command: "sh", args: ["-euc"] } });
}

/** Ends a program, by force if it does not end by itself. */
async function ended(program: Program): Promise<void> {
  program.kill();
  const timer = setTimeout(() => program.kill("SIGKILL"), END_PATIENCE);
  await program.finish();
  clearTimeout(timer);
}

/** The value in the result of a command. */
function valueIn(result: unknown): unknown {
  if (typeof result === "object" && result !== null && "value" in result) return result.value;
  throw new Error("a result without a value");
}

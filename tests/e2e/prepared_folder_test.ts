// Folders that somebody else has prepared: a cloned repository, an archive, a folder in /tmp. None of
// it may decide whose server gets a password, or who reads what is written.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { ok } from "../support/outcomes.ts";
import { shell, symlink } from "../support/command.ts";
import { sampleOf, testInFull, testInFullUnless } from "../support/full.ts";
import { makeGroup } from "../support/group_folder.ts";
import {
  FROM_SOURCE,
  type Outcome,
  passwordOf,
  run,
  ServerProcess,
  UNCONFINED,
} from "../support/program.ts";
import { Screen, whyNoTmux } from "../support/tmux.ts";

const REFUSED = 77;
const noLinks = Deno.build.os === "windows" ? "links need a right of their own on Windows" : null;

/** The rights of the executable, and every variable that decides which folder is used. */
const BUILD = {
  ...UNCONFINED,
  args: UNCONFINED.args.map((arg) => {
    return arg.startsWith("--allow-env=") ? `${arg},XDG_RUNTIME_DIR,SUDO_USER,USER` : arg;
  }),
};

/** A server with a person on it, the person's own folder, and a second server that is somebody else's. */
class Place implements AsyncDisposable {
  private constructor(
    readonly dir: string,
    readonly server: ServerProcess,
    readonly other: ServerProcess,
    readonly otherDir: string,
    readonly remove: () => Promise<void>,
  ) {}

  static async make(): Promise<Place> {
    const own = await makeGroup(["alice"], { others: ["bob"] });
    const others = await makeGroup([], { others: ["alice"], keygen: FROM_SOURCE });
    const place = new Place(
      own.dir,
      await ServerProcess.start({ cwd: own.dir }),
      await ServerProcess.start({ cwd: others.dir }),
      others.dir,
      async () => {
        await own.remove();
        await others.remove();
      },
    );
    await Deno.mkdir(place.path("config"));
    await Deno.rename(place.path("alice"), place.usual);
    await writeSettings(place.usual, place.server);
    return place;
  }

  path(...parts: readonly string[]): string {
    return join(this.dir, ...parts);
  }

  /** The person's own folder, where the platform has such folders. */
  get usual(): string {
    return this.path("config", "sealpost");
  }

  /** The environment of a shell in which nobody has said that the current folder is theirs. */
  environment(more: Record<string, string> = {}): Record<string, string> {
    return {
      SEALPOST_HERE: "",
      HOME: this.dir,
      XDG_CONFIG_HOME: this.path("config"),
      SEALPOST_PASSWORD: passwordOf("alice"),
      ...more,
    };
  }

  /** Runs a command in `cwd`. */
  in(
    cwd: string,
    args: readonly string[],
    options: { input?: string; env?: Record<string, string> } = {},
  ): Promise<Outcome> {
    const { input = "", env } = options;
    return run(args, { cwd, build: BUILD, input, env: this.environment(env) });
  }

  /** How many connections the other server has had. */
  get reached(): number {
    return this.other.program.stderr.split("alice").length - 1;
  }

  /** A folder as somebody prepares it who wants what alice writes. */
  async prepare(name: string): Promise<string> {
    const folder = this.path(name);
    await Deno.mkdir(folder, { mode: 0o700 });
    for (const key of ["alice_private.pem", "alice_public.pem"]) {
      await symlink(join(this.usual, key), join(folder, key));
    }
    await writeSettings(folder, this.other);
    await Deno.copyFile(
      join(this.otherDir, "server", "server_public.pem"),
      join(folder, "server_public.pem"),
    );
    return folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
    await this.other.stop();
    await this.remove();
  }
}

async function writeSettings(folder: string, { address }: ServerProcess): Promise<void> {
  await Deno.writeTextFile(join(folder, "sealpost.toml"), `server = "${address}"\n`);
}

function refused({ code, stdout, stderr }: Outcome, text: string): void {
  assertEquals([code, stdout], [REFUSED, ""], stderr);
  assertMatch(stderr, /^sealpost: [^\n]*\n$/);
  assertStringIncludes(stderr, text);
}

testInFullUnless(noLinks, "a folder that somebody else has prepared gets nothing", async (t) => {
  await using place = await Place.make();
  const repository = await place.prepare("repository");
  const inside = (args: readonly string[], env: Record<string, string> = {}, input = "x") =>
    place.in(repository, args, { env, input });

  await t.step("in it, commands go on with the person's own folder", async () => {
    assertStringIncludes(ok(await inside(["status"])), place.server.address);
    ok(await inside(["send", "-t", "alice", "-s", "private"], {}, "words"));
    assertMatch(ok(await inside(["inbox"])), /private/);
    ok(await inside(["connect", `alice@${place.server.address}`], {}, "4"));
    assertEquals(place.reached, 0);
  });

  await t.step("without one they say what to do, and connect to nobody", async () => {
    const nowhere = { XDG_CONFIG_HOME: place.path("none") };
    for (
      const args of sampleOf(
        [["inbox"], ["send", "-t", "bob"], ["drafts"], ["unlock"], ["keys", "list"]],
        3,
      )
    ) {
      refused(await inside(args, nowhere), "adopt");
    }
    refused(await inside(["connect", `alice@${place.other.address}`], nowhere), "adopt");
    assertEquals(place.reached, 0);
  });

  await t.step("it cannot be adopted, since what decides are links", async () => {
    refused(await inside(["adopt"]), "is a link");
    assert(!await exists(join(place.usual, "own_folders")));
  });

  await t.step("setup does not go on with it", async () => {
    const env = { XDG_CONFIG_HOME: place.path("fresh"), SEALPOST_PASSWORD: passwordOf("bob") };
    const [, key = ""] = /key (SHA256:\S+)/.exec(place.server.program.stdout) ?? [];
    const args = [
      "setup",
      "--server",
      `bob@${place.server.address}`,
      "--fingerprint",
      key,
      "--json",
    ];
    const { folder } = JSON.parse(ok(await inside(args, env)));
    assertEquals(folder, place.path("fresh", "sealpost"));
  });

  await t.step("named with --dir it is used: so this is what would have been sent", async () => {
    ok(await inside(["inbox", "--dir", "."]));
    assert(place.reached > 0);
  });
});

testInFull(
  "the key of a server that somebody else has prepared is not copied, and it is not served",
  async (t) => {
    await using place = await Place.make();
    const repository = place.path("repository");
    await Deno.mkdir(join(repository, "server"), { recursive: true, mode: 0o700 });
    for await (const { name, isFile } of Deno.readDir(join(place.otherDir, "server"))) {
      if (!isFile) continue;
      await Deno.copyFile(join(place.otherDir, "server", name), join(repository, "server", name));
    }
    const inside = (...args: string[]) => place.in(repository, args, { input: "n" });

    await t.step("keygen makes keys without it", async () => {
      const said = ok(await inside("keygen", "carol", "--bits", "2048"));
      assertStringIncludes(said, "The key in ./server was not copied: nobody has said that");
      assertStringIncludes(said, "adopt server");
      assert(!await exists(join(repository, "carol", "server_public.pem")));
    });

    await t.step("client, pubkey and the operator's commands refuse it", async () => {
      const commands = [
        ...[["client", "dave"], ["pubkey", "carol"], ["serve"], ["user", "list"]],
        ...[["fsck"], ["backup", "b"], ["stats"], ["user", "add", "x", "--generate"]],
      ];
      for (const args of sampleOf(commands, 3)) {
        refused(await inside(...args), "adopt server");
      }
      assert(!await exists(join(repository, "dave")));
    });

    await t.step(
      "keygen in a folder that was there does not make that folder one's own",
      async () => {
        const erin = join(repository, "erin");
        await Deno.mkdir(erin, { mode: 0o700 });
        await writeSettings(erin, place.other);
        const said = ok(await inside("keygen", "erin", "--bits", "2048"));
        assertStringIncludes(said, "erin was there before");
        assertStringIncludes(ok(await place.in(erin, ["status"])), place.server.address);
        assertEquals(place.reached, 0);
      },
    );
  },
);

testInFull(
  "folders that commands make are used in, and others once they are adopted",
  async (t) => {
    await using place = await Place.make();
    const course = place.path("course");
    await Deno.mkdir(course);
    const { server } = place;

    await t.step("keygen server, serve, keygen bob, cd bob, connect", async () => {
      ok(await place.in(course, ["keygen", "server", "--bits", "2048"]));
      await Deno.writeTextFile(
        join(course, "server", "user_pass.json"),
        JSON.stringify({ bob: passwordOf("bob") }),
      );
      assertMatch(ok(await place.in(course, ["serve", "--check-config"])), /listen/);
      await using served = {
        process: await ServerProcess.start({ cwd: course, build: BUILD, env: place.environment() }),
        [Symbol.asyncDispose]: async () => void await served.process.stop(),
      };
      ok(await place.in(course, ["keygen", "bob", "--bits", "2048"]));
      const env = { SEALPOST_PASSWORD: passwordOf("bob") };
      const talk = { env, input: "4" };
      ok(await place.in(join(course, "bob"), ["connect", `bob@${served.process.address}`], talk));
      ok(await place.in(course, ["connect", `bob@${served.process.address}`], talk));
      await writeSettings(join(course, "bob"), served.process);
      ok(await place.in(join(course, "bob"), ["inbox"], { env }));
    });

    await t.step("a folder that was moved is adopted, and given up again", async () => {
      const moved = place.path("moved");
      await Deno.rename(join(course, "bob"), moved);
      await writeSettings(moved, server);
      const status = async () => ok(await place.in(moved, ["keys", "show", "--json"]));
      assertEquals(JSON.parse(await status()).name, "alice");
      assertStringIncludes(ok(await place.in(moved, ["adopt"])), "moved is used from now on");
      assertEquals(JSON.parse(await status()).name, "bob");
      ok(await place.in(course, ["adopt", "--undo", moved]));
      assertEquals(JSON.parse(await status()).name, "alice");
      const nothing = await place.in(course, ["adopt"]);
      assertEquals(nothing.code, 66, nothing.stderr);
    });
  },
);

testInFullUnless(
  noLinks,
  "what decides in a folder is its owner's alone, and no link",
  async (t) => {
    await using place = await Place.make();
    const { usual } = place;
    const inbox = (...args: string[]) => place.in(place.dir, ["inbox", ...args]);
    /** Runs `check` while `change` is in force, a line of shell in the person's folder. */
    const whileChanged = async (change: string, back: string, check: () => Promise<void>) => {
      await shell(`cd "$0" && ${change}`, usual);
      try {
        await check();
      } finally {
        await shell(`cd "$0" && ${back}`, usual);
      }
      ok(await inbox());
    };
    ok(await inbox());

    await t.step("others may not write it", async () => {
      const parts = [".", "sealpost.toml", "server_public.pem", "alice_public.pem", ".sealpost"];
      for (const part of sampleOf(parts, 2)) {
        for (const who of sampleOf(["g", "o"], 2)) {
          await whileChanged(`chmod ${who}+w ${part}`, `chmod ${who}-w ${part}`, async () => {
            refused(await inbox(), "run: chmod go-w ");
            refused(await inbox("--dir", usual), "run: chmod go-w ");
          });
        }
      }
    });

    await t.step("links are followed only in a folder that was named", async () => {
      const parts = ["sealpost.toml", "server_public.pem", "alice_private.pem", ".sealpost"];
      for (const part of sampleOf(parts, 2)) {
        const away = `mv ${part} ../away && ln -s ../away ${part}`;
        await whileChanged(away, `rm ${part} && mv ../away ${part}`, async () => {
          refused(await inbox(), "is a link");
          ok(await inbox("--dir", usual));
        });
      }
      await symlink(usual, place.path("link"));
      refused(
        await place.in(place.dir, ["inbox"], { env: { SEALPOST_HOME: "link" } }),
        "is a link",
      );
      ok(await inbox("--dir", "link"));
    });

    const root = (await shell("id -u")).trim() === "0";
    await t.step({
      name: "it belongs to nobody else",
      ignore: !root,
      fn: async () => {
        const parts = [".", "sealpost.toml", "server_public.pem", "alice_private.pem", ".sealpost"];
        for (const part of sampleOf(parts, 3)) {
          await whileChanged(`chown 54321 ${part}`, `chown 0 ${part}`, async () => {
            refused(await inbox(), "belongs to another user");
            refused(await inbox("--dir", usual), "belongs to another user");
          });
        }
      },
    });
  },
);

testInFullUnless(
  await whyNoTmux(),
  "at a terminal a folder that is not the usual one is named, and keys that are not used too",
  async () => {
    await using place = await Place.make();
    const shown = async (cwd: string, ...args: string[]) => {
      await using screen = await Screen.start(["keys", "show", ...args], {
        cwd,
        build: BUILD,
        env: place.environment(),
      });
      await screen.ended();
      return await screen.text();
    };
    assert(!/Using|not used/.test(await shown(place.dir)));
    assert(!/Using|not used/.test(await shown(place.usual)));
    const work = place.path("work");
    ok(await place.in(place.dir, ["keygen", "alice", "--dir", work, "--bits", "2048"]));
    assertStringIncludes(await shown(work), "Using this folder.");
    assertStringIncludes(await shown(place.dir, "--dir", "work"), "Using the folder work.");
    assert(!(await shown(work, "--json")).includes("Using"));
    ok(await place.in(work, ["adopt", "--undo"]));
    assertMatch(await shown(work), /keys and settings in this folder are not used/);
  },
);

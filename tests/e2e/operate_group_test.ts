import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { parseInvitation } from "../../protocol/invitation.ts";
import { withControl } from "../support/control.ts";
import { makeGroup } from "../support/group_folder.ts";
import { run } from "../support/program.ts";
import { testInFull } from "../support/full.ts";

/** Where a server is made, which need not run for this, and how commands are given there. */
async function withPlace(
  work: (
    dir: string,
    operate: (...args: string[]) => ReturnType<typeof run>,
  ) => Promise<void>,
): Promise<void> {
  const { dir, remove } = await makeGroup([]);
  try {
    await work(
      dir,
      (...args) => run(args, { cwd: dir, build: withControl(dir), env: { SUDO_USER: "olga" } }),
    );
  } finally {
    await remove();
  }
}

const DIGEST = "ab".repeat(32);

testInFull(
  "several are invited at once, each by a file that says where the program is; all or nobody",
  async () => {
    await withPlace(async (dir, operate) => {
      const invited = ["--address", "mail.lan", "--invite-dir", "invitations"];
      const download = ["--download-url", "https://mail.lan/sealpost", "--download-sha256", DIGEST];
      const made = await operate("user", "add", "bob", "carol", "dave", ...invited, ...download);
      assertEquals([made.code, made.stdout], [0, ""], made.stderr);
      for (const name of ["bob", "carol", "dave"]) {
        const path = join(dir, "invitations", `${name}.txt`);
        const text = await Deno.readTextFile(path);
        assertEquals(parseInvitation(text).name, name);
        for (const part of ["https://mail.lan/sealpost", DIGEST, "setup"]) {
          assertStringIncludes(text, part);
        }
        assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
      }
      const wrong: [string[], number, RegExp][] = [
        [["eve", "bob", "--invite-dir", "more"], 73, /there already: bob; nobody was added/],
        [["eve", "frank"], 64, /--invite-dir/],
        [["eve", "--invite-dir", "invitations"], 73, /is there and not empty/],
        [["eve", "--invite-dir", "more", "--generate"], 64, /makes the passwords itself/],
        [["eve", "Bad Name", "--invite-dir", "more"], 64, /a name is/],
        [["eve", "--invite", "--download-url", "https://x/y"], 64, /go together/],
        [
          ["eve", "--invite", "--download-url", "ftp://x", "--download-sha256", DIGEST],
          64,
          /https:/,
        ],
        [
          ["eve", "--invite", "--download-url", "http://x", "--download-sha256", "ab"],
          64,
          /64 hexa/,
        ],
      ];
      for (const [args, code, said] of wrong) {
        const failed = await operate("user", "add", ...args, "--address", "mail.lan");
        assertEquals(failed.code, code, failed.stderr);
        assertMatch(failed.stderr, said);
      }
      assertEquals(await exists(join(dir, "more")), false);
      const { stdout } = await operate("user", "list", "--json");
      const { users } = JSON.parse(stdout);
      assertEquals(users.map(({ name }: { name: string }) => name), ["bob", "carol", "dave"]);
      const [{ lastSeen, machines, quota }] = users;
      assertEquals([lastSeen, machines, quota], [null, 0, 10 * 2 ** 30]);
    });
  },
);

testInFull(
  "the audit log is read for people and for programs, what is damaged in it is passed over",
  async () => {
    await withPlace(async (dir, operate) => {
      assertEquals((await operate("audit")).stdout, "Nothing is recorded.\n");
      await operate("user", "add", "bob", "--generate");
      await operate("user", "full-name", "bob", "Bob Müller");
      await operate("user", "unbind", "bob");
      await operate("user", "disable", "nobody");
      await Deno.writeTextFile(join(dir, "server", "audit.log"), '{"time":"2026', { append: true });
      const shown = await operate("audit");
      assertEquals([shown.code, shown.stderr], [0, "1 lines cannot be read, and are left out.\n"]);
      const [head = "", added = "", named = "", , failed = ""] = shown.stdout.split("\n");
      assertMatch(head, /^TIME +ACTION +USER +RESULT +VIA +BY +DETAILS$/, shown.stderr);
      assertMatch(added, / user-add +bob +done +offline +\S+ +oneTime=false$/);
      assertMatch(named, / user-full-name +bob +done +offline +\S+ +fullName=Bob Müller$/);
      assertMatch(failed, / user-disable +nobody +no-such-user +offline /);
      const last = await operate("audit", "--user", "bob", "--limit", "1", "--json");
      const [{ action, name }, ...others] = JSON.parse(last.stdout);
      assertEquals([action, name, others], ["user-unbind", "bob", []]);
      assertEquals(
        JSON.parse((await operate("audit", "--since", "2099-01-01", "--json")).stdout),
        [],
      );
      assertEquals((await operate("audit", "--since", "yesterday")).code, 64);
    });
  },
);

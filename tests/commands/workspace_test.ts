import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { exitCodeFor } from "../../cli/exit_codes.ts";
import { loadBundle, saveIdentityFiles } from "../../files/key_files.ts";
import { openDatabase } from "../../server/store/database.ts";
import { testUnless } from "../support/testing.ts";
import { inFolder, sealpost, symlink } from "../support/command.ts";
import { newIdentityOf } from "../support/identities.ts";

const noLinks = Deno.build.os === "windows" ? "links need a right of their own on Windows" : null;

const identity = newIdentityOf("server");

async function put(folder: string, path: string, text = "x"): Promise<void> {
  await Deno.mkdir(join(folder, path, ".."), { recursive: true });
  await Deno.writeTextFile(join(folder, path), text);
}

/** A server with mail, two clients, and things that are nobody's business. */
async function furnish(cwd: string): Promise<void> {
  await saveIdentityFiles(join(cwd, "server"), "server", await identity);
  await put(cwd, "server/user_pass.json", "{}");
  (await openDatabase(join(cwd, "server/mail"))).close();
  await put(cwd, "server/mail/bodies/ab/abcd");
  await put(cwd, "server/notes.txt");
  for (const name of ["client1", "bob"]) {
    await saveIdentityFiles(join(cwd, name), name, await identity);
    await put(cwd, `${name}/server_public.pem`);
    await put(cwd, `${name}/.sealpost/${name}/pins`);
    await put(cwd, `${name}/files/a.txt`);
    await put(cwd, `${name}/files/sub/b.txt`);
  }
  await put(cwd, "client1/client1_private.0a1b2c3d.pem");
  await put(cwd, "client1/my own.txt");
  await put(cwd, "client_files/template.txt");
  await put(cwd, "project/files/c.txt");
  await put(cwd, "project/project_private.txt");
  await put(cwd, "notes.pem");
}

/** Every file, and every folder without one, below `folder`. */
async function tree(folder: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(folder, below))) {
    const path = below === "" ? name : `${below}/${name}`;
    const inside = isDirectory ? await tree(folder, path) : [path];
    found.push(...(inside.length === 0 ? [`${path}/`] : inside));
  }
  return found.sort();
}

const OF_THE_SERVER = [
  "server/mail/sealpost.lock",
  "server/notes.txt",
  "server/server_private.pem",
  "server/server_public.pem",
  "server/user_pass.json",
];
const OF_OTHERS = [
  "client_files/template.txt",
  "notes.pem",
  "project/files/c.txt",
  "project/project_private.txt",
];

Deno.test("client makes a folder ready to connect, and wants the server's key for it", async () => {
  await inFolder(async (cwd) => {
    const early = await sealpost(["client", "client2"], { cwd });
    assertEquals(early.code, exitCodeFor("file-missing"));
    assertMatch(early.stderr, /^sealpost: there is no .*keygen server.*\n$/);
    assertEquals(await tree(cwd), []);

    await saveIdentityFiles(join(cwd, "server"), "server", await identity);
    const made = await sealpost(["client", "client2"], { cwd });
    assertEquals([made.code, made.stderr], [0, ""]);
    assertEquals(await tree(join(cwd, "client2")), [
      "client2_private.pem",
      "client2_public.pem",
      "files/",
      "server_public.pem",
    ]);
    assertEquals((await sealpost(["client", "client2"], { cwd })).code, exitCodeFor("file-exists"));
    assertEquals((await sealpost(["client", "server"], { cwd })).code, exitCodeFor("usage"));
  });
});

Deno.test("pubkey puts the server's present key in the place of any other", async () => {
  await inFolder(async (cwd) => {
    const missing = await sealpost(["pubkey", "client1"], { cwd });
    assertEquals(missing.code, exitCodeFor("file-missing"));
    await furnish(cwd);
    const { code, stdout } = await sealpost(["pubkey", "client1"], { cwd });
    assertEquals(code, 0);
    assertMatch(stdout, /server_public\.pem: SHA256:/);
    const copy = await loadBundle(join(cwd, "client1/server_public.pem"));
    assertEquals(copy.fp, (await identity).bundle.fp);
    const nobody = await sealpost(["pubkey", "carol"], { cwd });
    assertEquals(nobody.code, exitCodeFor("file-missing"));
    assert(!await exists(join(cwd, "carol")));
  });
});

Deno.test("clean removes keys, files and mail, and nothing else", async () => {
  await inFolder(async (cwd) => {
    await furnish(cwd);
    const before = await tree(cwd);
    for (const input of ["n", "", "yess"]) {
      const { code, stdout } = await sealpost(["clean"], { cwd, input });
      assertEquals(code, exitCodeFor("cancelled"));
      assertStringIncludes(stdout, join("bob", "files", "a.txt"));
      assertEquals(await tree(cwd), before);
    }
    assertEquals((await sealpost(["clean"], { cwd, input: "y" })).code, 0);
    assertEquals(
      await tree(cwd),
      [
        "bob/files/",
        "client1/files/",
        "client1/my own.txt",
        ...OF_OTHERS,
        ...OF_THE_SERVER,
      ].sort(),
    );
    const again = await sealpost(["clean"], { cwd });
    assertEquals([again.code, again.stdout], [0, "There is nothing to remove here.\n"]);

    // What clean left empty is still known as a client's; what somebody put there is not touched.
    assertEquals((await sealpost(["cleanall", "--yes"], { cwd })).code, 0);
    assertEquals(
      await tree(cwd),
      ["client1/files/", "client1/my own.txt", ...OF_OTHERS, ...OF_THE_SERVER].sort(),
    );
  });
});

Deno.test("cleanall removes clients' folders and mail, and nothing else", async () => {
  await inFolder(async (cwd) => {
    await furnish(cwd);
    const { code, stdout } = await sealpost(["cleanall", "--yes"], { cwd });
    assertEquals(code, 0);
    assertMatch(stdout, /client1.* with 8 files/);
    assertEquals(await tree(cwd), [...OF_OTHERS, ...OF_THE_SERVER].sort());
  });
});

Deno.test("clean and cleanall refuse while a server uses the store", async () => {
  await inFolder(async (cwd) => {
    await furnish(cwd);
    const before = await tree(cwd);
    const database = await openDatabase(join(cwd, "server/mail"));
    try {
      for (const command of ["clean", "cleanall"]) {
        const { code, stderr } = await sealpost([command, "--yes"], { cwd });
        assertEquals(code, exitCodeFor("busy"));
        assertMatch(stderr, /^sealpost: .*is running; stop it first\n$/);
      }
    } finally {
      database.close();
    }
    assertEquals(await tree(cwd), before);
    assertEquals((await sealpost(["clean", "--yes"], { cwd })).code, 0);
  });
});

testUnless(noLinks, "clean and cleanall follow no symbolic link", async () => {
  await inFolder(async (folder) => {
    const cwd = join(folder, "here");
    await furnish(cwd);
    await put(folder, "outside/precious.txt");
    await put(folder, "carol/carol_public.pem");
    await put(folder, "mail/sealpost.db");
    await Deno.remove(join(cwd, "bob/files"), { recursive: true });
    await Deno.remove(join(cwd, "server/mail"), { recursive: true });
    await symlink(join(folder, "outside"), join(cwd, "bob/files"));
    await symlink(join(folder, "outside"), join(cwd, "client1/files/link"));
    await symlink(join(folder, "carol"), join(cwd, "carol"));
    await symlink(join(folder, "mail"), join(cwd, "server/mail"));
    for (const command of ["clean", "cleanall"]) {
      assertEquals((await sealpost([command, "--yes"], { cwd })).code, 0);
      assertEquals(
        (await tree(folder)).filter((path) => !path.startsWith("here/")),
        ["carol/carol_public.pem", "mail/sealpost.db", "outside/precious.txt"],
      );
      assert(!await exists(join(cwd, "client1/files/link")));
    }
    assertEquals((await Deno.lstat(join(cwd, "carol"))).isSymlink, true);
    assertEquals((await Deno.lstat(join(cwd, "server/mail"))).isSymlink, true);
  });
});

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { bundleFromPem } from "../crypto/identity.ts";
import { exitCodeFor } from "../cli/exit_codes.ts";
import {
  loadBundle,
  loadIdentity,
  privateKeyPath,
  publicKeyPath,
  saveIdentityFiles,
} from "../files/key_files.ts";
import { passphraseBytes } from "../cli/secret_input.ts";
import { assertRefused, assertRefusedAsync, testUnless } from "./support/testing.ts";
import { inFolder, sealpost, shell } from "./support/command.ts";
import { newIdentityOf } from "./support/identities.ts";

const WINDOWS = Deno.build.os === "windows";
const noModes = WINDOWS ? "this system has no file modes" : null;

const never = () => Promise.reject(new Error("asked for a passphrase"));

async function modeOf(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
}

Deno.test("an identity comes back from its files", async () => {
  await inFolder(async (folder) => {
    const identity = await newIdentityOf("alice");
    const dir = join(folder, "new", "alice");
    const saved = await saveIdentityFiles(dir, "alice", identity);
    assertEquals(saved, {
      privatePath: join(dir, "alice_private.pem"),
      publicPath: join(dir, "alice_public.pem"),
      retiredPath: null,
    });
    const loaded = await loadIdentity(dir, "alice", never);
    assertEquals(loaded.bundle.fp, identity.bundle.fp);
    assertEquals((await loadBundle(saved.publicPath)).fp, identity.bundle.fp);
    assertEquals(await namesIn(dir), ["alice_private.pem", "alice_public.pem"]);
  });
});

testUnless(
  noModes,
  "the private key is its owner's alone, and refused when it is not",
  async () => {
    await inFolder(async (folder) => {
      const dir = join(folder, "it's alice");
      const { privatePath, publicPath } = await saveIdentityFiles(
        dir,
        "alice",
        await newIdentityOf("alice"),
      );
      assertEquals(await modeOf(dir), 0o700);
      assertEquals(await modeOf(privatePath), 0o600);
      assertEquals(await modeOf(publicPath), 0o644);
      for (const mode of [0o640, 0o604, 0o620, 0o602, 0o644]) {
        await Deno.chmod(privatePath, mode);
        await assertRefusedAsync("key-permissions", () => loadIdentity(dir, "alice", never));
      }
      // The command in the message mends it, whatever characters the path has.
      const error = await loadIdentity(dir, "alice", never).catch((error) => error);
      const command = /run: (chmod .*)$/.exec(error.message)?.[1] ?? "";
      await shell(command);
      await loadIdentity(dir, "alice", never);
      await Deno.chmod(privatePath, 0o400);
      await loadIdentity(dir, "alice", never);
    });
  },
);

Deno.test("missing, damaged, foreign and oversized key files each have their error", async () => {
  await inFolder(async (folder) => {
    const identity = await newIdentityOf("alice");
    await assertRefusedAsync("file-missing", () => loadIdentity(folder, "alice", never));
    const { privatePath, publicPath } = await saveIdentityFiles(folder, "alice", identity);
    const [privatePem, publicPem] = [
      await Deno.readTextFile(privatePath),
      await Deno.readTextFile(publicPath),
    ];
    const load = () => loadIdentity(folder, "alice", never);

    await Deno.remove(publicPath);
    await assertRefusedAsync("file-missing", load);
    await Deno.writeTextFile(publicPath, publicPem.slice(0, 500));
    await assertRefusedAsync("key-format", load);
    await Deno.writeTextFile(publicPath, privatePem);
    await assertRefusedAsync("key-format", load);
    await Deno.writeFile(publicPath, new Uint8Array([0xff, 0xfe]));
    await assertRefusedAsync("key-format", load);
    await Deno.writeTextFile(publicPath, publicPem.repeat(40));
    await assertRefusedAsync("limit", load);
    const other = await newIdentityOf("somebody else");
    const elsewhere = join(folder, "bob");
    await saveIdentityFiles(elsewhere, "bob", other);
    await Deno.copyFile(publicKeyPath(elsewhere, "bob"), publicPath);
    await assertRefusedAsync("key-mismatch", load);

    await Deno.writeTextFile(publicPath, publicPem);
    await load();
    await Deno.writeTextFile(privatePath, privatePem.replace(/^M/m, "N"));
    await assertRefusedAsync("key-format", load);
  });
});

Deno.test("a name that is none never becomes a path", () => {
  for (const name of ["../x", "a/b", "", ".x", "a b", "x".repeat(33)]) {
    assertRefused("format", () => privateKeyPath(".", name));
    assertRefused("format", () => publicKeyPath(".", name));
  }
});

Deno.test("a passphrase is asked for three times, then no more", async () => {
  await inFolder(async (folder) => {
    const passphrase = passphraseBytes("Zaubéra");
    await saveIdentityFiles(folder, "alice", await newIdentityOf("alice"), { passphrase });
    assertMatch(await Deno.readTextFile(privateKeyPath(folder, "alice")), /ENCRYPTED PRIVATE KEY/);
    const attempts: number[] = [];
    await assertRefusedAsync("passphrase", () =>
      loadIdentity(folder, "alice", (attempt) => {
        attempts.push(attempt);
        return Promise.resolve(passphraseBytes("wrong"));
      }));
    assertEquals(attempts, [1, 2, 3]);
    await assertRefusedAsync(
      "passphrase",
      () => loadIdentity(folder, "alice", () => Promise.resolve(null)),
    );
    // Typed in another normal form, the second time.
    const loaded = await loadIdentity(
      folder,
      "alice",
      (attempt) => Promise.resolve(passphraseBytes(attempt === 1 ? "no" : "Zaube\u0301ra")),
    );
    assertEquals(loaded.bundle.fp, (await newIdentityOf("alice")).bundle.fp);
  });
});

Deno.test("keys are replaced only when told to, and the old private key is kept", async () => {
  await inFolder(async (folder) => {
    const first = await newIdentityOf("alice");
    const second = await newIdentityOf("somebody else");
    const { privatePath } = await saveIdentityFiles(folder, "alice", first);
    const before = await Deno.readTextFile(privatePath);
    await assertRefusedAsync("file-exists", () => saveIdentityFiles(folder, "alice", second));
    assertEquals(await Deno.readTextFile(privatePath), before);

    const { retiredPath } = await saveIdentityFiles(folder, "alice", second, { force: true });
    assertMatch(retiredPath ?? "", /alice_private\.[0-9a-f]{8}\.pem$/);
    assertEquals(await Deno.readTextFile(retiredPath ?? ""), before);
    if (!WINDOWS) assertEquals(await modeOf(retiredPath ?? ""), 0o600);
    assertEquals((await loadIdentity(folder, "alice", never)).bundle.fp, second.bundle.fp);
  });
});

Deno.test("an encrypted key that nothing identifies is not replaced", async () => {
  await inFolder(async (folder) => {
    const identity = await newIdentityOf("alice");
    const passphrase = passphraseBytes("x");
    const saved = await saveIdentityFiles(folder, "alice", identity, { passphrase });
    await Deno.remove(saved.publicPath);
    await assertRefusedAsync(
      "key-format",
      () => saveIdentityFiles(folder, "alice", identity, { force: true }),
    );
    assert(await exists(saved.privatePath));
  });
});

Deno.test("keygen makes a server's folder, then a client's with the server's key", async () => {
  await inFolder(async (cwd) => {
    const server = await sealpost(["keygen", "server", "--bits", "2048"], { cwd });
    assertEquals([server.code, server.stderr], [0, ""]);
    assertEquals(await namesIn(join(cwd, "server")), [
      "server_private.pem",
      "server_public.pem",
      "user_pass.json",
    ]);
    const users = JSON.parse(await Deno.readTextFile(join(cwd, "server/user_pass.json")));
    assertEquals(Object.keys(users), ["client1", "client2"]);
    const passwords = Object.values(users);
    for (const password of passwords) {
      assertMatch(String(password), /^([0-9a-hjkmnp-tv-z]{5}-){3}[0-9a-hjkmnp-tv-z]{5}$/);
      assert(!server.stdout.includes(String(password)));
    }
    assertNotEquals(passwords[0], passwords[1]);
    if (!WINDOWS) assertEquals(await modeOf(join(cwd, "server/user_pass.json")), 0o600);

    const client = await sealpost(["keygen", "Client1", "--bits", "2048", "--json"], { cwd });
    assertEquals([client.code, client.stderr], [0, ""]);
    assertEquals(await namesIn(join(cwd, "client1")), [
      "client1_private.pem",
      "client1_public.pem",
      "files",
      "server_public.pem",
    ]);
    assertEquals(
      await Deno.readTextFile(join(cwd, "client1/server_public.pem")),
      await Deno.readTextFile(join(cwd, "server/server_public.pem")),
    );
    const made = JSON.parse(client.stdout);
    assertEquals(made.name, "client1");
    assertEquals(made.encrypted, false);
    assertMatch(made.fingerprint, /^SHA256:[A-Za-z0-9+/]{43}$/);
    assertEquals(made.files.private, join("client1", "client1_private.pem"));

    const again = await sealpost(["keygen", "client1"], { cwd });
    assertEquals([again.code, again.stdout], [exitCodeFor("file-exists"), ""]);
    assertMatch(again.stderr, /^sealpost: .*client1_private\.pem is already there.*--force.*\n$/);

    const fresh = await sealpost(["keygen", "server", "--force", "--bits", "2048"], { cwd });
    assertEquals(fresh.code, 0);
    assertEquals(
      JSON.parse(await Deno.readTextFile(join(cwd, "server/user_pass.json"))),
      users,
      "the users stay",
    );
    assertEquals((await namesIn(join(cwd, "server"))).length, 4);
  });
});

Deno.test("keygen --dir . makes keys right where it is", async () => {
  await inFolder(async (cwd) => {
    const { code, stdout } = await sealpost(
      ["keygen", "alice", "--dir", ".", "--bits", "2048"],
      { cwd },
    );
    assertEquals(code, 0);
    assertStringIncludes(stdout, "get server_public.pem from the server");
    assertEquals(await namesIn(cwd), ["alice_private.pem", "alice_public.pem", "files"]);
  });
});

Deno.test("keygen --passphrase takes nothing from a pipe, and --public asks for it again", async () => {
  await inFolder(async (cwd) => {
    const args = ["keygen", "alice", "--passphrase", "--bits", "2048"];
    const none = await sealpost(args, { cwd, input: "what a script reads\nnext line" });
    assertEquals(none.code, exitCodeFor("secret-needed"));
    assertStringIncludes(none.stderr, "SEALPOST_PASSPHRASE");
    assert(!await exists(join(cwd, "alice")));

    const env = { SEALPOST_PASSPHRASE: "pass phrase " };
    const made = await sealpost(args, { cwd, env });
    assertEquals(made.code, 0);
    assertStringIncludes(made.stderr, "must not be your login password");
    assert(!(made.stdout + made.stderr).includes("pass phrase "));
    const dir = join(cwd, "alice");
    const secret = () => Promise.resolve(passphraseBytes("pass phrase "));
    const identity = await loadIdentity(dir, "alice", secret);

    // The public file can be had again from the private one.
    const publicPath = publicKeyPath(dir, "alice");
    const before = await Deno.readTextFile(publicPath);
    await Deno.remove(publicPath);
    const renew = ["keygen", "alice", "--public"];
    assertEquals((await sealpost(renew, { cwd })).code, exitCodeFor("passphrase"));
    assertEquals((await sealpost(renew, { cwd, env })).code, 0);
    assertEquals(await Deno.readTextFile(publicPath), before);
    assertEquals((await bundleFromPem(before)).fp, identity.bundle.fp);
  });
});

Deno.test("keygen refuses a name that would leave the folder, and a size out of bounds", async () => {
  await inFolder(async (cwd) => {
    for (const args of [["../x"], ["a/b"], ["a", "--bits", "8192"], ["a", "--bits", "2049"]]) {
      const { code, stdout, stderr } = await sealpost(["keygen", ...args], { cwd });
      assertEquals([code, stdout], [64, ""]);
      assertMatch(stderr, /^sealpost: [^\n]*\n$/);
    }
    assertEquals(await namesIn(cwd), []);
  });
});

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { fromBase64, toHex } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import { TARGETS, VERSION } from "../../tools/release/build.ts";
import { inFolder, shell } from "../support/command.ts";
import { compilingTask, whyNotCompile } from "../support/executable.ts";
import { testInFullUnless } from "../support/full.ts";
import { ROOT } from "../support/program.ts";

/** This machine, as releases name it. */
const HERE = TARGETS.find(({ triple }) => triple === Deno.build.target);

/** Why no release can be made here; null if one can. */
async function whyNotRelease(): Promise<string | null> {
  if (HERE?.debian === undefined) return "releases are made on Linux";
  try {
    await shell('dpkg-deb --version && git -C "$0" rev-parse HEAD', ROOT);
  } catch {
    return "there is no dpkg-deb, or this is no git checkout";
  }
  return await whyNotCompile();
}

interface Component {
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly scope?: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}

testInFullUnless(
  await whyNotRelease(),
  "a release has what it says, and its package works",
  async (t) => {
    await inFolder(async (folder) => {
      const dist = join(folder, "dist");
      const { name: platform, debian } = HERE ?? { name: "", debian: "" };
      await compilingTask("release", "--output", dist, platform);
      const commit = (await shell('git -C "$0" rev-parse HEAD', ROOT)).trim();
      const names = [
        `sealpost-${VERSION}-${platform}`,
        `sealpost-${VERSION}-${platform}.tar.gz`,
        `sealpost-${VERSION}.cdx.json`,
        `sealpost_${VERSION}_${debian}.deb`,
      ];

      await t.step("its files, and the hash of each", async () => {
        const there = await Array.fromAsync(Deno.readDir(dist), ({ name }) => name);
        assertEquals(there.sort(), ["SHA256SUMS", ...names].sort());
        let sums = "";
        for (const name of [...names].sort()) {
          sums += `${toHex(await sha256(await Deno.readFile(join(dist, name))))}  ${name}\n`;
        }
        assertEquals(await Deno.readTextFile(join(dist, "SHA256SUMS")), sums);
      });

      await t.step("the list of parts has every package of deno.lock", async () => {
        const bom = JSON.parse(await Deno.readTextFile(join(dist, names[2] ?? "")));
        assertEquals([bom.bomFormat, bom.specVersion], ["CycloneDX", "1.6"]);
        assertMatch(bom.serialNumber, /^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
        assertStringIncludes(bom.metadata.component.properties[0].value, commit);
        const lock = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.lock")));
        const components: readonly Component[] = bom.components;
        const listed = new Map(components.map((part) => [`${part.name}@${part.version}`, part]));
        const locked = Object.keys(lock.npm);
        assert(locked.length > 20);
        assertEquals(listed.size, locked.length + 1, "the packages, and Deno");
        for (const key of locked) {
          const { integrity } = lock.npm[key];
          const sha512 = toHex(fromBase64(integrity.replace("sha512-", "")));
          assertEquals(listed.get(key.replace(/_.*/, ""))?.hashes, [{
            alg: "SHA-512",
            content: sha512,
          }], key);
        }
        const scope = (name: string) => components.find((part) => part.name === name)?.scope;
        assertEquals([scope("hash-wasm"), scope("fast-check")], ["required", "excluded"]);
        const refs = new Set([
          bom.metadata.component["bom-ref"],
          ...components.map((part) => part["bom-ref"]),
        ]);
        for (const { ref, dependsOn } of bom.dependencies) {
          for (const each of [ref, ...dependsOn]) assert(refs.has(each), each);
        }
      });

      await t.step("the archive unpacks to what the file names say", async () => {
        const listing = await shell('tar -tzf "$0"', join(dist, names[1] ?? ""));
        for (const name of ["sealpost", "LICENSE", "THIRD_PARTY_NOTICES.txt", "man/sealpost.1"]) {
          assertStringIncludes(listing, `sealpost-${VERSION}-${platform}/${name}\n`);
        }
      });

      const root = join(folder, "root");
      const installed = join(root, "usr", "bin", "sealpost");
      await shell('dpkg-deb -x "$0" "$1"', join(dist, names[3] ?? ""), root);

      await t.step("the package runs no scripts", async () => {
        const control = join(folder, "control");
        await shell('dpkg-deb -e "$0" "$1"', join(dist, names[3] ?? ""), control);
        assertEquals(await Array.fromAsync(Deno.readDir(control), ({ name }) => name), ["control"]);
      });

      await t.step("the unit starts what the package installs, as the user it brings", async () => {
        const at = (path: string) => Deno.readTextFile(join(root, "usr", "lib", path));
        const unit = await at("systemd/system/sealpost.service");
        assertMatch(unit, /^ExecStart=sealpost serve /m);
        assertMatch(unit, /^User=sealpost$/m);
        assertMatch(
          await at("sysusers.d/sealpost.conf"),
          /^u sealpost - "[^"]+" \/var\/lib\/sealpost$/m,
        );
        assertMatch(
          await at("tmpfiles.d/sealpost.conf"),
          /^d \/var\/lib\/sealpost 0700 sealpost sealpost /m,
        );
      });

      await t.step("the manual and the completions are the program's", async () => {
        const share = join(root, "usr", "share");
        assertMatch(await shell('gzip -dc "$0"', join(share, "man/man1/sealpost.1.gz")), /^\.TH /m);
        const shells = [
          "bash-completion/completions/sealpost",
          "zsh/vendor-completions/_sealpost",
          "fish/vendor_completions.d/sealpost.fish",
        ];
        for (const path of shells) {
          assertStringIncludes(await Deno.readTextFile(join(share, path)), "sealpost");
        }
      });

      await t.step("the installed program says what it was built from", async () => {
        const info = JSON.parse(await shell('"$0" --version --json', installed));
        assertEquals(info.version, VERSION);
        assertStringIncludes(info.commit, commit);
        assertEquals(info.platform, Deno.build.target);
      });

      await t.step("two people write to each other with it, as in the demo", async () => {
        const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
          args: [
            "run",
            "--no-prompt",
            `--allow-read=${folder}`,
            `--allow-write=${folder}`,
            `--allow-run=${installed}`,
            "tools/demo.ts",
            installed,
          ],
          cwd: ROOT,
          env: { TMPDIR: folder, NO_COLOR: "1" },
        }).output();
        const said = new TextDecoder().decode(stdout);
        assert(success, said + new TextDecoder().decode(stderr));
        assertStringIncludes(said, "The attachment is the same, byte for byte.");
      });
    });
  },
);

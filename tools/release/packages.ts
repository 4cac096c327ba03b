/**
 * The archives of a release: a `.tar.gz` for every platform, a `.deb` for those with Debian. Their
 * bytes follow from their content: names are sorted, times are those of the commit, owners are root.
 */
import { dirname, join } from "@std/path";
import { type Bytes, utf8 } from "../../crypto/bytes.ts";
import { executableName, output, ROOT, type Source, type Target, VERSION } from "./build.ts";

/** What is packed besides the executable; all but the notices follow from the source alone. */
export interface Texts {
  /** The manual in troff, for `man`. */
  readonly manual: string;
  readonly completions: Readonly<Record<"bash" | "zsh" | "fish", string>>;
  /** The licences of what the executable contains. */
  readonly notices: string;
}

/** Documents that are of use where there is no source. */
const DOCUMENTS = ["OPERATING.md", "THREAT_MODEL.md", "PROTOCOL.md"];

/** Compresses as `gzip -n` does: without a name and a time. */
async function gzip(bytes: Bytes): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function fromSource(...path: readonly string[]): Promise<string> {
  return await Deno.readTextFile(join(ROOT, ...path));
}

/** Writes `files` under `folder`; keys are paths. A file in a folder `bin` may be executed. */
async function writeTree(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await Deno.mkdir(dirname(path), { recursive: true });
    const bytes = typeof content === "string" ? utf8(content) : content;
    await Deno.writeFile(path, bytes);
  }
}

/** Puts the executable `from` at `path`, and gives everything under `folder` its mode and time. */
async function finishTree(
  folder: string,
  from: string,
  path: string,
  source: Source,
): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.copyFile(from, path);
  const settle = async (entry: string): Promise<void> => {
    const { isDirectory } = await Deno.stat(entry);
    // Whatever the umask of whoever makes the release.
    await Deno.chmod(entry, isDirectory || entry === path ? 0o755 : 0o644);
    if (isDirectory) {
      for await (const { name } of Deno.readDir(entry)) await settle(join(entry, name));
    }
    await Deno.utime(entry, source.time, source.time);
  };
  await settle(folder);
}

/** Writes `sealpost-VERSION-PLATFORM.tar.gz` into `into`; `work` is an empty folder. */
export async function packTar(
  executable: string,
  target: Target,
  texts: Texts,
  source: Source,
  work: string,
  into: string,
): Promise<void> {
  const top = `sealpost-${VERSION}-${target.name}`;
  const folder = join(work, top);
  const linux = target.debian !== undefined;
  await writeTree(folder, {
    "LICENSE": await fromSource("LICENSE"),
    "CHANGELOG.md": await fromSource("CHANGELOG.md"),
    "THIRD_PARTY_NOTICES.txt": texts.notices,
    "man/sealpost.1": texts.manual,
    "completions/sealpost.bash": texts.completions.bash,
    "completions/_sealpost": texts.completions.zsh,
    "completions/sealpost.fish": texts.completions.fish,
    ...Object.fromEntries(
      await Promise.all(
        DOCUMENTS.map(async (name) => [`docs/${name}`, await fromSource("docs", name)] as const),
      ),
    ),
    ...linux
      ? {
        "contrib/sealpost.service": await fromSource("contrib", "sealpost.service"),
        "contrib/sealpost.sysusers": await fromSource("contrib", "sealpost.sysusers"),
        "contrib/sealpost.tmpfiles": await fromSource("contrib", "sealpost.tmpfiles"),
      }
      : {},
  });
  await finishTree(folder, executable, join(folder, executableName(target.triple)), source);
  const archive = join(work, `${top}.tar`);
  await output("tar", [
    "--create",
    "--format=ustar",
    "--sort=name",
    "--owner=root:0",
    "--group=root:0",
    `--mtime=@${source.time}`,
    `--directory=${work}`,
    `--file=${archive}`,
    top,
  ]);
  await Deno.writeFile(join(into, `${top}.tar.gz`), await gzip(await Deno.readFile(archive)));
}

/** What Debian's tools know of the package. */
function control(architecture: string, size: number): string {
  return `Package: sealpost
Version: ${VERSION}
Architecture: ${architecture}
Maintainer: The Sealpost authors
Installed-Size: ${Math.ceil(size / 1024)}
Depends: libc6 (>= 2.27), libgcc-s1
Recommends: systemd
Section: mail
Priority: optional
Description: private mail for a small group, sealed end to end
 One executable for the server, the people who write to each other, and
 the server's operator. Messages are sealed on the sender's machine and
 opened on the reader's; the server keeps them and cannot read them.
`;
}

/**
 * Writes `sealpost_VERSION_ARCHITECTURE.deb` into `into`; `work` is an empty folder. The package has
 * no maintainer scripts: it starts nothing and changes nothing but the files that it holds.
 */
export async function packDeb(
  executable: string,
  architecture: string,
  texts: Texts,
  source: Source,
  work: string,
  into: string,
): Promise<void> {
  const { size } = await Deno.stat(executable);
  const share = "usr/share";
  await writeTree(work, {
    "DEBIAN/control": control(architecture, size),
    "usr/lib/systemd/system/sealpost.service": await fromSource("contrib", "sealpost.service"),
    "usr/lib/sysusers.d/sealpost.conf": await fromSource("contrib", "sealpost.sysusers"),
    "usr/lib/tmpfiles.d/sealpost.conf": await fromSource("contrib", "sealpost.tmpfiles"),
    [`${share}/man/man1/sealpost.1.gz`]: await gzip(utf8(texts.manual)),
    [`${share}/bash-completion/completions/sealpost`]: texts.completions.bash,
    [`${share}/zsh/vendor-completions/_sealpost`]: texts.completions.zsh,
    [`${share}/fish/vendor_completions.d/sealpost.fish`]: texts.completions.fish,
    [`${share}/doc/sealpost/changelog.gz`]: await gzip(utf8(await fromSource("CHANGELOG.md"))),
    [`${share}/doc/sealpost/copyright`]: `${await fromSource("LICENSE")}\n${texts.notices}`,
    ...Object.fromEntries(
      await Promise.all(
        DOCUMENTS.map(async (name) =>
          [`${share}/doc/sealpost/${name}`, await fromSource("docs", name)] as const
        ),
      ),
    ),
  });
  await finishTree(work, executable, join(work, "usr", "bin", "sealpost"), source);
  // One thread and a low level: the bytes do not depend on the machine, and of a hundred megabytes
  // the highest level saves three more in four times the time.
  await output("dpkg-deb", [
    "--root-owner-group",
    "--threads-max=1",
    "-Zxz",
    "-z2",
    "--build",
    work,
    join(into, `sealpost_${VERSION}_${architecture}.deb`),
  ], { env: { SOURCE_DATE_EPOCH: String(source.time) } });
}

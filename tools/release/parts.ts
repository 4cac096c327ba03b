/**
 * What an executable is made of: the packages of deno.lock, as a CycloneDX 1.6 list of parts (SBOM)
 * and as the notices that their licences ask for.
 */
import { join } from "@std/path";
import { fromBase64, toHex, utf8 } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import { output, ROOT, type Source, VERSION } from "./build.ts";

/** An npm package that deno.lock names. */
export interface Part {
  readonly name: string;
  readonly version: string;
  /** The SHA-512 of the package's archive, in hex. */
  readonly sha512: string;
  /** The keys, as in deno.lock, of the packages that it needs itself. */
  readonly needs: readonly string[];
  /** Whether it can be in the executable; the others serve tests alone. */
  readonly inside: boolean;
  /** Its SPDX licence expression, from its package.json. */
  readonly license: string;
  /** The text of its licence file; null if it has none. */
  readonly notice: string | null;
}

interface Lock {
  readonly specifiers: Readonly<Record<string, string>>;
  readonly npm: Readonly<
    Record<string, { readonly integrity: string; readonly dependencies?: readonly string[] }>
  >;
}

/** Splits `@scope/name@version_peers`; the peers, packages that share theirs with it, are left out. */
function splitKey(key: string): { readonly name: string; readonly version: string } {
  const [, name, version] = /^((?:@[^/]+\/)?[^@]+)@([^_]+)/.exec(key) ?? [];
  if (name === undefined || version === undefined) throw new Error(`deno.lock: ${key}?`);
  return { name, version };
}

/** The key of a dependency, whose version deno.lock leaves out where there is one only. */
function resolveKey(lock: Lock, dependency: string): string {
  if (Object.hasOwn(lock.npm, dependency)) return dependency;
  const found = Object.keys(lock.npm).filter((key) => splitKey(key).name === dependency);
  const [key] = found;
  if (key === undefined || found.length > 1) throw new Error(`deno.lock: ${dependency}?`);
  return key;
}

/** `keys` and all that they need. */
function withNeeds(lock: Lock, keys: readonly string[]): Set<string> {
  const reached = new Set<string>();
  const visit = (key: string) => {
    if (reached.has(key)) return;
    reached.add(key);
    for (const dependency of lock.npm[key]?.dependencies ?? []) visit(resolveKey(lock, dependency));
  };
  keys.forEach(visit);
  return reached;
}

/** The keys of the packages that the program and its page, with what they load, import. */
async function importedKeys(): Promise<string[]> {
  const keys = new Set<string>();
  for (const root of ["main.ts", join("page", "main.tsx")]) {
    const graph: { readonly modules: readonly { readonly specifier: string }[] } = JSON.parse(
      await output(Deno.execPath(), ["info", "--json", root]),
    );
    for (const { specifier } of graph.modules) {
      const [, key] = /^npm:\/?((?:@[^/]+\/)?[^@/]+@[^/]+)/.exec(specifier) ?? [];
      if (key !== undefined) keys.add(key);
    }
  }
  return [...keys];
}

/** The folder where Deno keeps the files of a package. */
async function packageFolder(cache: string, name: string, version: string): Promise<string> {
  for await (const registry of Deno.readDir(cache)) {
    const folder = join(cache, registry.name, name, version);
    if (await isFolder(folder)) return folder;
  }
  throw new Error(`${name}@${version} is not in ${cache}`);
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}

/** The text of the licence file in `folder`, or null. */
async function readNotice(folder: string): Promise<string | null> {
  for await (const { name } of Deno.readDir(folder)) {
    if (/^(licen[cs]e|copying)(\.(md|txt))?$/i.test(name)) {
      return (await Deno.readTextFile(join(folder, name))).replaceAll("\r\n", "\n").trim();
    }
  }
  return null;
}

/** Every package of deno.lock, by its key there, in the order of the keys. */
export async function readParts(): Promise<Map<string, Part>> {
  const lock: Lock = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.lock")));
  await output(Deno.execPath(), ["install", "--quiet", "--frozen"]);
  const { npmCache } = JSON.parse(await output(Deno.execPath(), ["info", "--json"]));
  const inside = withNeeds(lock, await importedKeys());
  const parts = new Map<string, Part>();
  for (const key of Object.keys(lock.npm).sort()) {
    const { integrity = "", dependencies = [] } = lock.npm[key] ?? {};
    const { name, version } = splitKey(key);
    const folder = await packageFolder(npmCache, name, version);
    const { license } = JSON.parse(await Deno.readTextFile(join(folder, "package.json")));
    if (typeof license !== "string") throw new Error(`${key} names no licence`);
    parts.set(key, {
      name,
      version,
      sha512: toHex(fromBase64(integrity.replace(/^sha512-/, ""))),
      needs: dependencies.map((dependency) => resolveKey(lock, dependency)),
      inside: inside.has(key),
      license,
      notice: await readNotice(folder),
    });
  }
  return parts;
}

/** The package URL (purl) of an npm package. */
function purl({ name, version }: Part): string {
  return `pkg:npm/${name.replace(/^@/, "%40")}@${version}`;
}

/** A UUID of version 8 (RFC 9562, section 5.8) that follows from `text` alone. */
async function uuidOf(text: string): Promise<string> {
  const bytes = (await sha256(utf8(text))).slice(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/**
 * The list of parts of an executable built from `source` with this Deno, as JSON of CycloneDX 1.6
 * (ECMA-424). Packages that serve tests alone have the scope `excluded`.
 */
export async function listParts(parts: ReadonlyMap<string, Part>, source: Source): Promise<string> {
  const deno = `pkg:github/denoland/deno@v${Deno.version.deno}`;
  const self = `pkg:generic/sealpost@${VERSION}`;
  const imported = (await importedKeys()).flatMap((key) => parts.get(key) ?? []);
  const body = {
    metadata: {
      timestamp: new Date(source.time * 1000).toISOString(),
      component: {
        type: "application",
        "bom-ref": self,
        name: "sealpost",
        version: VERSION,
        licenses: [{ license: { id: "MIT" } }],
        purl: self,
        properties: [{ name: "sealpost:commit", value: source.commit ?? "unknown" }],
      },
    },
    components: [
      {
        type: "platform",
        "bom-ref": deno,
        name: "deno",
        version: Deno.version.deno,
        licenses: [{ license: { id: "MIT" } }],
        purl: deno,
      },
      ...[...parts.values()].map((part) => ({
        type: "library",
        "bom-ref": purl(part),
        name: part.name,
        version: part.version,
        scope: part.inside ? "required" : "excluded",
        hashes: [{ alg: "SHA-512", content: part.sha512 }],
        licenses: [
          /[ (]/.test(part.license)
            ? { expression: part.license }
            : { license: { id: part.license } },
        ],
        purl: purl(part),
      })),
    ],
    dependencies: [
      { ref: self, dependsOn: [deno, ...imported.map(purl)] },
      ...[...parts.values()].map((part) => ({
        ref: purl(part),
        dependsOn: part.needs.flatMap((key) => parts.get(key) ?? []).map(purl),
      })),
    ],
  };
  const bom = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${await uuidOf(JSON.stringify(body))}`,
    version: 1,
    ...body,
  };
  return `${JSON.stringify(bom, null, 2)}\n`;
}

/** The notices of everything inside the executable, as their licences ask for. */
export function writeNotices(parts: ReadonlyMap<string, Part>): string {
  const rule = "-".repeat(78);
  return [
    "Sealpost contains the software below.\n",
    `${rule}\nDeno ${Deno.version.deno}, https://deno.com (MIT)\n`,
    "Copyright 2018-2026 the Deno authors. The terms are those of the MIT licence; what Deno itself\n" +
    "is made of is listed at https://github.com/denoland/deno.\n",
    ...[...parts.values()].filter(({ inside }) => inside).map((
      { name, version, license, notice },
    ) =>
      `${rule}\n${name} ${version} (${license})\n\n${
        notice ?? "It comes without a licence text."
      }\n`
    ),
  ].join("\n");
}

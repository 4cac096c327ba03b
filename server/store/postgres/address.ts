import { SealpostError } from "../../../crypto/error.ts";
import { type Address, parseAddress } from "../../../protocol/address.ts";

/** The port of PostgreSQL, used where none is given. */
export const DEFAULT_PORT = 5432;

/** What begins the address of a store on PostgreSQL. */
export const SCHEME = "postgres://";

/** Where a store on PostgreSQL is. */
export interface PostgresAddress {
  /** All members of one cluster; connections go to the one that takes writes. */
  readonly hosts: readonly Address[];
  readonly user: string;
  readonly database: string;
  /** A file with the certificates of those who may sign the servers' own; null: those of the system. */
  readonly rootCertificates: string | null;
  /** Whether connections are encrypted, and the servers' names verified. */
  readonly tls: boolean;
}

const IPV4 = /^\d+(\.\d+)*$/;

const ADDRESS = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^@/?]+)\/([^/?]+)(?:\?(.*))?$/;

/**
 * Reads `postgres://USER@HOST[:PORT][,HOST…]/DATABASE`, with `?sslrootcert=FILE` for TLS by
 * certificates of one's own, and `target_session_attrs=read-write`, which is always so. TLS, with
 * verified names, is used beyond the loopback addresses, and there only names are taken: the driver does
 * not verify certificates for IP addresses. Throws `usage`; never repeats a password.
 */
export function parsePostgresAddress(text: string): PostgresAddress {
  const [, user = "", hostList = "", database = "", query = ""] = ADDRESS.exec(text) ?? [];
  const login = decoded(user);
  if (login.includes(":")) {
    throw wrong(
      "a password in it can be read by others; put it into a file, --store-password-file",
    );
  }
  if (hostList === "" || login === "") {
    throw wrong("write postgres://USER@HOST[:PORT][,HOST…]/DATABASE");
  }
  let rootCertificates: string | null = null;
  let wantsTls = false;
  for (const [name, value] of new URLSearchParams(query)) {
    if (name === "sslrootcert") rootCertificates = value;
    else if (name === "sslmode" && value === "verify-full") wantsTls = true;
    else if (name !== "target_session_attrs" || value !== "read-write") {
      throw wrong(
        `${name} can only be sslrootcert, sslmode=verify-full or ` +
          "target_session_attrs=read-write",
      );
    }
  }
  const hosts = hostList.split(",").map(hostOf);
  const tls = wantsTls || rootCertificates !== null || !hosts.every(isLoopback);
  const bare = tls ? hosts.find(({ host }) => IPV4.test(host)) : undefined;
  if (bare !== undefined) {
    throw wrong(`${bare.host} must be a name: the certificate of an IP address is not verified`);
  }
  return {
    hosts,
    user: login,
    database: decoded(database),
    rootCertificates,
    tls,
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong("after % come two hexadecimal digits; %25 stands for % itself");
  }
}

function hostOf(text: string): Address {
  const { host, port } = parseAddress(text);
  if (host.includes(":")) throw wrong(`write a name for ${host}; IPv6 addresses are not taken`);
  return { host, port: /:\d+$/.test(text) ? port : DEFAULT_PORT };
}

function isLoopback({ host }: Address): boolean {
  return host === "localhost" || IPV4.test(host) && host.startsWith("127.");
}

function wrong(why: string): SealpostError {
  return new SealpostError("usage", `not an address of a store on PostgreSQL: ${why}`);
}

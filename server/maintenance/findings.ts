/** Kinds of findings. Those of a kind in {@linkcode REPAIRABLE} can be repaired without loss. */
export type FindingKind =
  | "database" // SQLite's own checks failed
  | "schema" // a table or index is missing or another
  | "account" // a key that does not belong to its fingerprint
  | "rotation" // a certificate that does not verify, or does not follow the one before it
  | "key-log" // a key log that is not one chain, or says something else than the accounts
  | "counter" // entries, unseen or bytes of a mailbox
  | "next-uid" // a mailbox that would give a UID twice
  | "entry" // an entry that does not fit its layout or its message
  | "journal" // a record of the journal that is no delivery
  | "message" // a message that does not fit its layout, has no entry, or is there twice
  | "delivered" // an id that should be remembered
  | "body" // a body that is missing or of another size
  | "uploads" // uploads that broke off
  | "unnamed" // a file that no message names
  | "permissions" // what others can read
  | "unusual"; // what a client sent and no client will open, and files of others

const REPAIRABLE: readonly FindingKind[] = ["counter", "next-uid", "unnamed"];

/** One thing that was found. */
export interface Finding {
  readonly kind: FindingKind;
  /** `damage`: the store is not as the server left it. `note`: nothing is lost by it. */
  readonly severity: "damage" | "note";
  /** For a person; no secret, one line. */
  readonly what: string;
  readonly repaired: boolean;
}

/** Counts of what a store holds. */
export interface Counts {
  readonly accounts: number;
  readonly messages: number;
  readonly entries: number;
  /** Bytes that the mailboxes count, so a message to two people twice. */
  readonly bytes: number;
}

/** The outcome of a check. */
export interface FsckReport extends Counts {
  /** The store's folder, or the address of its database. */
  readonly store: string;
  /** Whether a server had it open. */
  readonly running: boolean;
  readonly schema: number;
  /** Deliveries in the journal that have no rows yet: counted nowhere else. */
  readonly journaled: number;
  /** Bodies that are kept apart from their messages. */
  readonly bodies: number;
  readonly bodyBytes: number;
  readonly findings: readonly Finding[];
  /** How many things are damaged and were not repaired. */
  readonly damaged: number;
}

/** Most findings of one kind that are kept; the others are counted. */
const MAX_OF_A_KIND = 50;

/** Collects findings. */
export class FsckFindings {
  readonly #list: Finding[] = [];
  readonly #counts = new Map<string, number>();

  damage(kind: FindingKind, what: string): void {
    this.#add({ kind, severity: "damage", what, repaired: false });
  }

  note(kind: FindingKind, what: string): void {
    this.#add({ kind, severity: "note", what, repaired: false });
  }

  #add(finding: Finding): void {
    const key = `${finding.severity} ${finding.kind}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    if (count <= MAX_OF_A_KIND) this.#list.push(finding);
  }

  /** Whether anything of `kind` was found. */
  has(kind: FindingKind): boolean {
    return this.#list.some((finding) => finding.kind === kind);
  }

  /** Everything of `kind`, which can be repaired, was. */
  repaired(kind: FindingKind): void {
    if (!REPAIRABLE.includes(kind)) throw new Error(`${kind} is not repaired`);
    for (const [i, finding] of this.#list.entries()) {
      if (finding.kind === kind) this.#list[i] = { ...finding, repaired: true };
    }
  }

  /** The findings, in their order; after those of a kind, how many more there were. */
  list(): Finding[] {
    const out = [...this.#list];
    for (const [key, count] of this.#counts) {
      const last = this.#list.findLast(({ severity, kind }) => `${severity} ${kind}` === key);
      if (count <= MAX_OF_A_KIND || last === undefined) continue;
      const what = `${count - MAX_OF_A_KIND} more of this kind`;
      out.splice(out.findLastIndex((finding) => finding === last) + 1, 0, { ...last, what });
    }
    return out;
  }

  /** How many things are damaged and were not repaired. */
  get damaged(): number {
    let damaged = 0;
    for (const [key, count] of this.#counts) {
      const [severity, kind] = key.split(" ");
      const one = this.#list.find((finding) =>
        finding.kind === kind && finding.severity === severity
      );
      if (severity === "damage" && one?.repaired === false) damaged += count;
    }
    return damaged;
  }
}

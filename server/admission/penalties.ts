import type { Values } from "../settings/setting_values.ts";
import { isIn, type Source } from "./source.ts";

/**
 * What a source is penalised for before a login. `login`: refused, for whichever reason; a
 * difference between them would tell strangers which names exist. `garbage`: another protocol.
 * `timeout`: too slow. `abandoned`: a handshake begun and left. `crash`: one that breaks the rules,
 * or made the server fail.
 */
export type Offence = typeof OFFENCES[number];
const OFFENCES = ["login", "garbage", "timeout", "abandoned", "crash"] as const;

/** Whether `text` is the name of an offence. */
export function isOffence(text: string): text is Offence {
  return OFFENCES.some((offence) => offence === text);
}

/** Where something happened: at this server, or at another one that counts with it. */
export type Whence = "here" | "elsewhere";

/** Sources that are remembered, of IPv4 and of IPv6; the one without offence for longest goes first. */
const CAPACITY = 32_768;

interface SourcePenalty {
  /** When the penalty is over. */
  endsAt: number;
  /** Until when the source is refused; in the past if it is not. */
  refusedUntil: number;
  /** How often it was refused, less what it was forgiven. */
  level: number;
  /** When the last offence was, or the last step was forgiven. */
  since: number;
}

/** A source that begins to be refused. */
export interface RefusedSource {
  readonly source: string;
  readonly offence: Offence;
  readonly seconds: number;
}

/**
 * Penalties of sources, after OpenSSH's PerSourcePenalties: each offence adds seconds, time takes them
 * away, and from a threshold on the source is refused until its penalty is over. Each time a source
 * was refused makes its next offences cost more.
 *
 * A good login adds nothing and takes nothing away: whoever has an account could otherwise guess at
 * others' passwords and clear their record in between.
 */
export class Penalties {
  // Apart, so that somebody with a large IPv6 network cannot push out the rest.
  readonly #v4 = new Map<string, SourcePenalty>();
  readonly #v6 = new Map<string, SourcePenalty>();
  readonly #settings: () => Values;
  readonly #onRefused: (refusal: RefusedSource) => void;
  readonly #now: () => number;
  /** Told of what was added and taken back here. */
  onOwn: (what: "penalty" | "taken-back", source: Source, offence: Offence) => void = () => {};

  /**
   * `onRefused` is told once each time that a source begins to be refused. `now`: milliseconds of a
   * clock that never goes back.
   */
  constructor(
    settings: () => Values,
    onRefused: (refusal: RefusedSource) => void = () => {},
    now: () => number = () => performance.now(),
  ) {
    this.#settings = settings;
    this.#onRefused = onRefused;
    this.#now = now;
  }

  /** Sources that are remembered. */
  get size(): number {
    return this.#v4.size + this.#v6.size;
  }

  /** Adds to the penalty of `source`. */
  add(source: Source, offence: Offence, whence: Whence = "here"): void {
    const { penalties, penaltyExempt, penaltyThreshold, penaltyMax } = this.#settings();
    if (!penalties || source.ip === null || isIn(penaltyExempt, source)) return;
    if (whence === "here") this.onOwn("penalty", source, offence);
    const now = this.#now();
    const entry = this.#take(source, now);
    const endsAt = Math.min(
      Math.max(entry.endsAt, now) + this.#cost(offence, entry),
      now + penaltyMax,
    );
    entry.endsAt = endsAt;
    entry.since = now;
    if (entry.refusedUntil > now) entry.refusedUntil = endsAt;
    else if (endsAt - now >= penaltyThreshold && endsAt > now) {
      entry.refusedUntil = endsAt;
      entry.level++;
      this.#onRefused({ source: source.name, offence, seconds: Math.ceil((endsAt - now) / 1000) });
    }
  }

  /** Takes back what {@linkcode Penalties.add} added last for `offence`, unless `source` is refused for it. */
  takeBack(source: Source, offence: Offence, whence: Whence = "here"): void {
    if (whence === "here") this.onOwn("taken-back", source, offence);
    const entry = this.#table(source).get(source.name);
    if (entry === undefined || entry.refusedUntil > this.#now()) return;
    entry.endsAt -= this.#cost(offence, entry);
  }

  /** In how many seconds `source` is taken again; 0 if it is not refused. */
  refusedFor(source: Source): number {
    const left = (this.#table(source).get(source.name)?.refusedUntil ?? 0) - this.#now();
    if (left <= 0) return 0;
    const { penalties, penaltyExempt } = this.#settings();
    return penalties && !isIn(penaltyExempt, source) ? Math.ceil(left / 1000) : 0;
  }

  #table({ ip }: Source): Map<string, SourcePenalty> {
    return ip?.family === 6 ? this.#v6 : this.#v4;
  }

  /** The entry of `source`, which is now the last to be forgotten. */
  #take(source: Source, now: number): SourcePenalty {
    const table = this.#table(source);
    const entry = table.get(source.name) ?? { endsAt: now, refusedUntil: 0, level: 0, since: now };
    const steps = Math.floor((now - entry.since) / this.#settings().penaltyMax);
    entry.level = Math.max(0, entry.level - steps);
    table.delete(source.name);
    table.set(source.name, entry);
    if (table.size > CAPACITY) {
      for (const oldest of table.keys()) {
        table.delete(oldest);
        break;
      }
    }
    return entry;
  }

  #cost(offence: Offence, { level }: SourcePenalty): number {
    const settings = this.#settings();
    const cost = {
      login: settings.penaltyLogin,
      garbage: settings.penaltyGarbage,
      timeout: settings.penaltyTimeout,
      abandoned: settings.penaltyAbandoned,
      crash: settings.penaltyCrash,
    }[offence];
    return Math.min(cost * settings.penaltyGrowth ** level, settings.penaltyMax);
  }
}

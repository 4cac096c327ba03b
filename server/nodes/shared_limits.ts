import type { LoginThrottle } from "../admission/login_throttle.ts";
import { isOffence, type Penalties } from "../admission/penalties.ts";
import { sourceNamed } from "../admission/source.ts";
import type { TokenBuckets } from "../admission/token_bucket.ts";

/** The limits that several servers count together. */
export interface Limits {
  readonly penalties: Penalties;
  readonly loginThrottle: LoginThrottle;
  readonly messages: TokenBuckets;
}

/**
 * Counts what happens at one server at all of them: who is penalised, wrong guesses at passwords, and
 * messages. Each server tells the others what it has counted, and what it hears it counts as if it had
 * happened here, some 50 ms later: so whoever goes to several servers at once gains what fits into that.
 * No part of a line has a blank in it.
 */
export class SharedLimits {
  readonly #limits: Limits;

  /** `tell`: tells a line to all other servers. */
  constructor(limits: Limits, tell: (line: string) => void) {
    this.#limits = limits;
    const { penalties, loginThrottle, messages } = limits;
    penalties.onOwn = (what, { name }, offence) => tell(`${what} ${offence} ${name}`);
    loginThrottle.onOwn = (what, name, source) => tell(`${what} ${name} ${source}`);
    messages.onOwn = (name) => tell(`message ${name}`);
  }

  /** Counts what another server tells of; what is not understood, a newer one may have meant. */
  count(line: string): void {
    const { penalties, loginThrottle, messages } = this.#limits;
    const [what, first = "", second = ""] = line.split(" ");
    if (first === "") return;
    switch (what) {
      case "penalty":
        if (isOffence(first)) penalties.add(sourceNamed(second), first, "elsewhere");
        return;
      case "taken-back":
        if (isOffence(first)) penalties.takeBack(sourceNamed(second), first, "elsewhere");
        return;
      case "failed":
        return loginThrottle.failed(first, second, "elsewhere");
      case "succeeded":
        return loginThrottle.succeeded(first, second, "elsewhere");
      case "message":
        return messages.spend(first);
    }
  }
}

import { changing, type Direction, type Hook } from "../../support/relay.ts";

/** A relay's hook that lets everything pass until it is told what to change. */
export class Target {
  readonly #counts = { up: 0, down: 0 };
  #hook: Hook | null = null;

  readonly hook: Hook = (piece, at) => {
    this.#counts[at.direction] = at.offset + piece.length;
    return this.#hook ? this.#hook(piece, at) : piece;
  };

  /** Changes the next `size` bytes that come in this direction. */
  aim(direction: Direction, size: number, change: Parameters<typeof changing>[1]): void {
    const from = this.#counts[direction];
    this.#hook = changing({ direction, from, to: from + size }, change);
  }
}

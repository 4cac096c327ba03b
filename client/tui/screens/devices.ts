import { PROGRAM } from "../../../cli/program.ts";
import { type Device, devicesOf, lastSeen } from "../../mailbox/devices.ts";
import { kitLine, kitState } from "../../mailbox/kits.ts";
import { fill, highlighted, type Line, type Size, span } from "../frame.ts";
import type { Action } from "../keys.ts";
import { EMPTY_LIST, moved, scrolled, withKeys } from "../list_model.ts";
import type { Host, Screen, Shown } from "../screen.ts";
import { wrapText } from "../wrap.ts";

/** The person's machines, and how it stands with the kit for the day when all are lost. */
export class DevicesScreen implements Screen {
  readonly mode = "devices";
  readonly #host: Host;
  #devices: ReadonlyMap<string, Device> | null = null;
  #kit = "";
  #list = EMPTY_LIST;
  #rows = 1;

  constructor(host: Host) {
    this.#host = host;
    host.background(async () => {
      const devices = await devicesOf(host.mail);
      const account = await host.mail.connection.ask({ op: "whoami" });
      this.#kit = kitLine(kitState(await host.mail.shared.known(), account));
      this.#devices = new Map(devices.map((one) => [one.id, one]));
      this.#list = withKeys(EMPTY_LIST, [...this.#devices.keys()]);
      host.refresh();
    });
  }

  where(): string {
    return this.#devices === null ? "Machines" : `Machines  ${this.#devices.size}`;
  }

  show({ columns, rows }: Size): Shown {
    const devices = this.#devices;
    if (devices === null) {
      return { lines: [[], fill([span("  Asking the server.", "dim")], columns)] };
    }
    const notes = [
      `To add one: "${PROGRAM} devices add" here, "${PROGRAM} setup --device" there.`,
      `If one was lost, stolen or retired: "${PROGRAM} devices remove NAME".`,
      this.#kit,
    ].flatMap((text) => wrapText(text, Math.max(20, columns - 2)));
    const below = rows >= notes.length + 6 ? notes.length + 1 : 0;
    this.#rows = Math.max(1, rows - below);
    this.#list = scrolled(this.#list, this.#rows);
    const { keys, top, cursor } = this.#list;
    const lines = keys.slice(top, top + this.#rows).flatMap((id): Line[] => {
      const device = devices.get(id);
      if (device === undefined) return [];
      const line = fill([
        span(device.own ? " * " : "   ", "good"),
        span(device.label.padEnd(24), device.own ? "strong" : "plain"),
        span(` ${lastSeen(device)}`, "dim"),
      ], columns);
      return [id === cursor ? highlighted(line) : line];
    });
    if (below === 0) return { lines };
    const gap = Array.from(
      { length: Math.max(0, rows - lines.length - notes.length) },
      (): Line => [],
    );
    return {
      lines: [...lines, ...gap, ...notes.map((text) => fill([span(` ${text}`, "dim")], columns))],
    };
  }

  act(action: Action): void | Promise<void> {
    const list = moved(this.#list, action, this.#rows);
    if (list) {
      this.#list = list;
      return;
    }
    switch (action) {
      case "back":
        return this.#host.leave(this);
      case "quit":
        return this.#host.quit();
    }
  }
}

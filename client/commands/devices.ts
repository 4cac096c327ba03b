import { isoTime } from "../../cli/format.ts";
import { displayWidth } from "../../cli/printable.ts";
import { devicesOf, lastSeen } from "../mailbox/devices.ts";
import { type CommonOptions, withMail } from "./common.ts";

/** The `devices list` command: a person's machines, and when and from where each was here last. */
export async function listDevices(options: CommonOptions): Promise<void> {
  await withMail(options, async ({ mail, json, printJson, terminal }) => {
    const devices = await devicesOf(mail);
    if (json) {
      return printJson(devices.map(({ first, last, ...one }) => ({
        ...one,
        first: first && isoTime(first),
        last: last && isoTime(last),
      })));
    }
    const width = Math.max(...devices.map(({ label }) => displayWidth(label)));
    for (const device of devices) {
      const { label, own } = device;
      const gap = " ".repeat(width - displayWidth(label));
      terminal.print(`${own ? "*" : " "} ${label}${gap}  ${lastSeen(device)}`);
    }
  });
}

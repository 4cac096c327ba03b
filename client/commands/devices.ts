import { isoTime } from "../../cli/format.ts";
import { displayWidth } from "../../cli/printable.ts";
import { deviceName, devicesOf, lastSeen } from "../mailbox/devices.ts";
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
    const names = devices.map(deviceName);
    const width = Math.max(...names.map(displayWidth));
    for (const [i, device] of devices.entries()) {
      const name = names[i] ?? "";
      const mark = device.own ? "*" : " ";
      terminal.print(
        `${mark} ${name}${" ".repeat(width - displayWidth(name))}  ${lastSeen(device)}`,
      );
    }
  });
}

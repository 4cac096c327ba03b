import { join } from "@std/path";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { hint, nearest } from "../../cli/options.ts";
import {
  formatSettingDuration,
  formatValue,
  parseValue,
  propertyOf,
  type Value,
  type Values,
} from "./setting_values.ts";
import { type FileEntry, readSettingsFile, SETTINGS_FILE } from "./settings_file.ts";
import {
  findSetting,
  type Setting,
  type SettingName,
  SETTINGS,
  variableOf,
} from "./settings_table.ts";

/** Where settings come from, the file aside: as they are written, by the setting's name. */
export interface GivenSettings {
  readonly flags?: ReadonlyMap<string, string>;
  readonly environment?: ReadonlyMap<string, string>;
}

/** One setting as it is in force. */
export interface EffectiveSetting {
  readonly setting: Setting;
  readonly value: Value;
  /** The value as it is written. */
  readonly text: string;
  /** `default`, `sealpost.toml:3`, `SEALPOST_QUOTA` or `--quota`. */
  readonly origin: string;
}

/** All settings, each with where it comes from. */
export interface Settings {
  readonly values: Values;
  readonly all: ReadonlyMap<string, EffectiveSetting>;
}

/**
 * The settings of the server in `dir`. The command line overrides the environment, which overrides
 * `sealpost.toml` in `dir`, which overrides the defaults; each of them is checked, overridden or not. Throws `config` (file, environment) or `usage` (command line) for an unknown name or a
 * value out of bounds, saying where, and `file-io`.
 */
export async function loadSettings(dir: string, given: GivenSettings = {}): Promise<Settings> {
  const path = join(dir, SETTINGS_FILE);
  return settle(await readSettingsFile(path), path, given);
}

/** The settings as they are where nothing is given, but for `changes`. */
export function settingsWith(changes: Partial<Values> = {}): Values {
  return { ...settle([], SETTINGS_FILE, {}).values, ...changes };
}

function settle(file: readonly FileEntry[], path: string, given: GivenSettings): Settings {
  const { flags = new Map<string, string>(), environment = new Map<string, string>() } = given;
  const all = new Map<string, EffectiveSetting>();
  const take = (setting: Setting, text: string, origin: string, where: string) => {
    const value = attempt(() => parseValue(setting, text), where);
    all.set(setting.name, { setting, value, text: formatValue(setting, value), origin });
  };
  for (const setting of SETTINGS) take(setting, setting.default, "default", setting.name);
  for (const { key, text, line } of file) {
    const where = `${path}:${line}`;
    const setting = findSetting(key);
    if (!setting) {
      const near = nearest(key, SETTINGS.map(({ name }) => name));
      const how = near === null ? "; serve --help lists them" : hint(near);
      throw new SealpostError(
        "config",
        `${where}: there is no setting ${JSON.stringify(key)}${how}`,
      );
    }
    if (text === null) {
      throw new SealpostError("config", `${where}: ${key}: settings are texts or numbers`);
    }
    take(setting, text, `${SETTINGS_FILE}:${line}`, `${where}: ${key}`);
  }
  for (const setting of SETTINGS) {
    const variable = environment.get(setting.name);
    const name = variableOf(setting.name);
    if (variable !== undefined) take(setting, variable, name, name);
  }
  for (const setting of SETTINGS) {
    const flag = flags.get(setting.name);
    const name = `--${setting.name}`;
    if (flag !== undefined) attemptFlag(() => take(setting, flag, name, name));
  }
  const values = valuesOf(all);
  checkTogether(values);
  return { values, all };
}

/** The values under the names they have in the program. */
function valuesOf(all: ReadonlyMap<string, EffectiveSetting>): Values {
  // Every setting of the table is in `all`, with a value of its kind.
  return Object.fromEntries(
    [...all].map(([name, { value }]) => [propertyOf(name), value]),
  ) as unknown as Values;
}

/** Checks bounds that depend on another setting. Throws `config`. */
function checkTogether(values: Values): void {
  const { pingAfter, idleTimeout, penaltyThreshold, penaltyMax } = values;
  if (idleTimeout <= pingAfter) {
    throw new SealpostError(
      "config",
      `idle-timeout (${formatSettingDuration(idleTimeout)}) must be above ping-after ` +
        `(${formatSettingDuration(pingAfter)}): nobody could answer the ping in time`,
    );
  }
  if (penaltyThreshold > penaltyMax) {
    throw new SealpostError(
      "config",
      `penalty-threshold (${formatSettingDuration(penaltyThreshold)}) is above penalty-max ` +
        `(${
          formatSettingDuration(penaltyMax)
        }), so nobody is ever refused; say penalties = "off" for that`,
    );
  }
}

function attempt<T>(parse: () => T, where: string): T {
  try {
    return parse();
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    throw new SealpostError("config", `${where}: ${error.message}`, { cause: error });
  }
}

function attemptFlag(take: () => void): void {
  try {
    take();
  } catch (error) {
    if (!isSealpostError(error, "config")) throw error;
    throw new SealpostError("usage", error.message, { cause: error });
  }
}

/** The settings as a `sealpost.toml` that says the same, with where each comes from behind it. */
export function showSettings(settings: Settings): string {
  const rows = [...settings.all.values()].map((effective) => ({
    group: effective.setting.group,
    line: `${effective.setting.name} = ${toToml(effective)}`,
    origin: effective.origin,
  }));
  const width = Math.max(...rows.map(({ line }) => line.length));
  let group = "";
  let text = "";
  for (const row of rows) {
    if (row.group !== group) text += `${text === "" ? "" : "\n"}# ${row.group}\n`;
    group = row.group;
    text += `${row.line.padEnd(width)}  # ${row.origin}\n`;
  }
  return text;
}

function toToml({ setting, text }: EffectiveSetting): string {
  if (setting.kind === "switch") return text === "on" ? "true" : "false";
  return setting.kind === "count" && text !== "off" ? text : JSON.stringify(text);
}

/** A setting that another value was given for. */
export interface SettingChange {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/** The settings that a reload changed. */
export interface ReloadResult {
  /** In force from now on. */
  readonly applied: readonly SettingChange[];
  /** In force after a restart. */
  readonly waiting: readonly SettingChange[];
}

/** The settings of a running server, of which some can change while it runs. */
export class LiveSettings {
  #settings: Settings;

  constructor(
    readonly dir: string,
    readonly given: GivenSettings,
    settings: Settings,
  ) {
    this.#settings = settings;
  }

  static async load(dir: string, given: GivenSettings = {}): Promise<LiveSettings> {
    return new LiveSettings(dir, given, await loadSettings(dir, given));
  }

  /** The values in force. Ask again for each use: they change with a reload. */
  get current(): Values {
    return this.#settings.values;
  }

  /** The settings in force, each with where it comes from. */
  get settings(): Settings {
    return this.#settings;
  }

  /**
   * Reads the file again, with the command line and the environment as they were at the start. What
   * throws (see {@linkcode loadSettings}) leaves everything as it was.
   */
  async reload(): Promise<ReloadResult> {
    const next = await loadSettings(this.dir, this.given);
    const all = new Map(next.all);
    const applied: SettingChange[] = [];
    const waiting: SettingChange[] = [];
    for (const [name, now] of this.#settings.all) {
      const to = next.all.get(name);
      if (!to || to.text === now.text) continue;
      const change = { name, from: now.text, to: to.text };
      if (to.setting.live) applied.push(change);
      else {
        waiting.push(change);
        all.set(name, now);
      }
    }
    this.#settings = { values: valuesOf(all), all };
    return { applied, waiting };
  }
}

export type { SettingName };

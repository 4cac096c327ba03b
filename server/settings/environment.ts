import { SealpostError } from "../../crypto/error.ts";
import { variable } from "../../cli/environment.ts";
import { nearest } from "../../cli/options.ts";
import { ENVIRONMENT_PREFIX, SETTINGS, variableOf } from "./settings_table.ts";

/** Settings from environment variables. */
export interface EnvironmentSettings {
  /** As they are written, by the setting's name. */
  readonly given: ReadonlyMap<string, string>;
  /** Variables that begin like ours and are no setting, nor like one. */
  readonly ignored: readonly string[];
}

/**
 * The settings in the environment: `SEALPOST_MAX_MESSAGE` for `max-message`. Where this process may
 * read some variables only, the others are not there for it. `others` are the variables that the
 * program has besides the settings.
 *
 * Throws `config` for a name that looks like a misspelled setting. Others are no error: whoever runs
 * containers has variables made up for them from the name of a service.
 */
export function readEnvironment(others: readonly string[]): EnvironmentSettings {
  return findSettings(readVariables(), others);
}

/** {@linkcode readEnvironment} for these variables. */
export function findSettings(
  variables: Readonly<Record<string, string>>,
  others: readonly string[],
): EnvironmentSettings {
  const names = new Map(SETTINGS.map(({ name }) => [variableOf(name), name]));
  const given = new Map<string, string>();
  const ignored: string[] = [];
  for (const [name, text] of Object.entries(variables)) {
    if (!name.startsWith(ENVIRONMENT_PREFIX) || others.includes(name)) continue;
    const setting = names.get(name);
    if (setting !== undefined) {
      given.set(setting, text);
      continue;
    }
    const near = nearest(
      name.slice(ENVIRONMENT_PREFIX.length).toLowerCase().replaceAll("_", "-"),
      SETTINGS.map(({ name }) => name),
    );
    if (near !== null) {
      throw new SealpostError(
        "config",
        `${name} is not a setting; did you mean ${variableOf(near)}?`,
      );
    }
    ignored.push(name);
  }
  return { given, ignored };
}

/**
 * Those settings in the environment that this process may read, as {@linkcode EnvironmentSettings.given}.
 * For commands beside the server, which leave to it what is misspelled.
 */
export function settingsAround(): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  for (const { name } of SETTINGS) {
    const text = variable(variableOf(name));
    if (text !== undefined) given.set(name, text);
  }
  return given;
}

function readVariables(): Record<string, string> {
  // Asked first: at a terminal, Deno would ask the person for the right to read all of them.
  if (Deno.permissions.querySync({ name: "env" }).state === "granted") return Deno.env.toObject();
  return Object.fromEntries([...settingsAround()].map(([name, text]) => [variableOf(name), text]));
}

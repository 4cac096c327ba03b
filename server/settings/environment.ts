import { SealpostError } from "../../crypto/error.ts";
import { nearest } from "../../cli/options.ts";
import { ENVIRONMENT_PREFIX, SETTINGS, variableOf } from "./settings_table.ts";

/** What the environment says of the settings. */
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
  for (const [variable, text] of Object.entries(variables)) {
    if (!variable.startsWith(ENVIRONMENT_PREFIX) || others.includes(variable)) continue;
    const name = names.get(variable);
    if (name !== undefined) {
      given.set(name, text);
      continue;
    }
    const near = nearest(
      variable.slice(ENVIRONMENT_PREFIX.length).toLowerCase().replaceAll("_", "-"),
      SETTINGS.map(({ name }) => name),
    );
    if (near !== null) {
      throw new SealpostError(
        "config",
        `${variable} is not a setting; did you mean ${variableOf(near)}?`,
      );
    }
    ignored.push(variable);
  }
  return { given, ignored };
}

function readVariables(): Record<string, string> {
  try {
    return Deno.env.toObject();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
  }
  const found: Record<string, string> = {};
  for (const { name } of SETTINGS) {
    const variable = variableOf(name);
    if (Deno.permissions.querySync({ name: "env", variable }).state !== "granted") continue;
    const text = Deno.env.get(variable);
    if (text !== undefined) found[variable] = text;
  }
  return found;
}

/**
 * A variable of the environment; undefined if it is not set, or if this process may not read it.
 * Never asks for the right.
 */
export function variable(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}

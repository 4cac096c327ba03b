// Loaded before the program by `deno run --preload`: says on standard error whether the program may
// start others, whenever it reads what somebody else wrote, and at its end.

const says = (when: string) => {
  const { state } = Deno.permissions.querySync({ name: "run", command: "/bin/sh" });
  console.error(`witness: ${when} ${state === "granted" ? "may" : "may not"} start programs`);
};

const { connect, listen } = Deno;
Object.assign(Deno, {
  connect: (options: Deno.ConnectOptions) => {
    says("connecting");
    return connect(options);
  },
  listen: (options: Deno.TcpListenOptions & { transport?: "tcp" }) => {
    says("listening");
    return listen(options);
  },
});
says("starting");
globalThis.addEventListener("unload", () => says("ending"));

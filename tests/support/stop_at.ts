// Loaded before the program (`deno run --preload`), this has it stand still at its n-th step, for the test
// to kill it there. A step is a file that gets its name or goes, or a write to a server: nothing else that
// the program does is seen by anybody after its end. SEALPOST_STOP_AT is `FILE` or `FILE:N`; a byte is appended
// to the file before each step.

const [path = "", at = ""] = (Deno.env.get("SEALPOST_STOP_AT") ?? "").split(":");
const file = Deno.openSync(path, { append: true, create: true });
const last = at === "" ? Infinity : Number(at);
const BYTE = new Uint8Array(1);
const forever = new Int32Array(new SharedArrayBuffer(4));
let steps = 0;

function step(): void {
  file.writeSync(BYTE);
  steps++;
  if (steps === last) Atomics.wait(forever, 0, 0);
}

const { rename, link, remove, connect } = Deno;
Deno.rename = (...paths) => {
  step();
  return rename(...paths);
};
Deno.link = (...paths) => {
  step();
  return link(...paths);
};
Deno.remove = (...args) => {
  step();
  return remove(...args);
};

/** Connections as they are, but for their writes. */
async function connectCounted(options: Deno.ConnectOptions): Promise<Deno.TcpConn> {
  const socket = await connect(options);
  const write = socket.write.bind(socket);
  socket.write = (data) => {
    step();
    return write(data);
  };
  return socket;
}
Object.assign(Deno, { connect: connectCounted });

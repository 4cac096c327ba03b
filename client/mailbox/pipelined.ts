/**
 * What `work` makes of each of `items`, in their order, while up to `width` of them are worked on. Whoever
 * takes no more, and what `work` throws, ends it: what is on its way is waited for and, where that can be
 * disposed of, disposed of.
 */
export async function* pipelined<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  width: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const running: Promise<R>[] = [];
  try {
    for await (const item of items) {
      const one = work(item);
      one.catch(() => {});
      running.push(one);
      const first = running.length >= width ? running.shift() : undefined;
      if (first) yield await first;
    }
    for (let first = running.shift(); first; first = running.shift()) yield await first;
  } finally {
    for (const outcome of await Promise.allSettled(running)) {
      if (outcome.status === "fulfilled" && isDisposable(outcome.value)) {
        await outcome.value[Symbol.asyncDispose]();
      }
    }
  }
}

function isDisposable(value: unknown): value is AsyncDisposable {
  return typeof value === "object" && value !== null && Symbol.asyncDispose in value;
}

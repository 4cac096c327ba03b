// What a page of another origin, in the browser where the page is open, tries to get of it at `origin`.
(async (origin) => {
  const outcomes = [];
  const attempt = async (name, work) => {
    outcomes.push(`${name}: ${await work().catch((error) => error.name)}`);
  };
  const post = (init) =>
    fetch(`${origin}/api/list`, { method: "POST", credentials: "include", ...init })
      .then((answer) => answer.text());
  await attempt("post", () => post({ body: '{"folder":"inbox","from":0,"limit":1}' }));
  await attempt("post json", () => {
    return post({ headers: { "content-type": "application/json" }, body: "{}" });
  });
  await attempt("get", () => {
    return fetch(`${origin}/`, { credentials: "include" }).then((answer) => answer.text());
  });
  await attempt("script", () =>
    new Promise((resolve) => {
      const script = document.createElement("script");
      script.src = `${origin}/page.js`;
      script.onload = () => resolve("loaded");
      script.onerror = () => resolve("refused");
      document.body.append(script);
    }));
  await attempt("frame", () =>
    new Promise((resolve) => {
      const frame = document.createElement("iframe");
      frame.src = `${origin}/`;
      frame.onload = () => resolve(frame.contentDocument === null ? "closed" : "open");
      document.body.append(frame);
    }));
  const opened = open(`${origin}/`);
  // It is cut off once it has loaded.
  for (let i = 0; i < 200 && opened !== null && !opened.closed; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  outcomes.push(`window: ${opened === null || opened.closed ? "cut off" : "reachable"}`);
  return outcomes;
});

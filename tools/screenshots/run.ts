// `deno task screenshots [NAME...]` makes the pictures of terminals in docs/images anew, and
// `deno task screenshots page [NAME...]` those of the page in a browser.

import { takePage } from "./page.ts";
import { takeTerminals } from "./terminals.ts";

const [first = "", ...rest] = Deno.args;
await (first === "page" ? takePage(rest) : takeTerminals(Deno.args));

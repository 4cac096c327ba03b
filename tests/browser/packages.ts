// What Node loads for tests in a browser, named here so that Deno fetches it and deno.lock pins it.
import "axe-core";
import "playwright-core";

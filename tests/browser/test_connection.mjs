// What the page says of its connection: lost and back, a server that stands still, a page that is too slow, a token.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { batch, counts, detection, freePort, openPage, shows, startBlews, state, test, until } from "./harness.mjs";

const rows = ".rows tbody tr[data-number]";
const REFUSED = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|WebSocket connection to/;  // a browser says so of a server that is gone

test("a lost connection is said at once, what is shown is marked as old, and it comes back by itself", async () => {
  const port = await freePort();
  const blews = await startBlews({ port });
  const page = await openPage(blews, { expected: REFUSED, address: "#/live" });
  const known = batch("pi-hall", [detection(1), detection(2)]);
  await blews.feed(known);
  await counts(page, rows, 2);
  await blews.end();
  await state(page, /^lost$/);
  await shows(page, "#banner", /No connection since [\d:]+\. What you see is from before\. Next try in \d+ s\./);
  await counts(page, rows, 2);
  const again = await startBlews({ port });
  await again.feed(known);
  await state(page, /^receiving$/);
  assert.ok(await page.locator("#banner").isHidden());
  await again.feed(batch("pi-hall", [detection(3)]));
  await until(async () => await page.locator(`${rows}`).count() >= 3, "the row that came after");
  await counts(page, rows, 3);  // what the server told again is not there twice
});

test("a page that never reached its server says that", async () => {
  const blews = await startBlews();
  const page = await openPage(blews, { expected: REFUSED });
  await page.addInitScript("window.WebSocket = class extends WebSocket { constructor(url, names) { super(new URL('none', url), names); } };");
  await page.reload();
  await state(page, /^lost$/);
  await shows(page, "#banner", /The server cannot be reached/);
  await shows(page, "main", /There is no connection to the server, so nothing is known/);
});

test("a server that stands still, without a word, is not taken for a quiet air", async () => {
  const blews = await startBlews();
  const page = await openPage(blews, { expected: REFUSED });
  await blews.feed(batch("pi-hall"));
  await state(page, /^receiving$/);
  await until(async () => (await page.evaluate("performance.now()")) > 4000, "two rounds of counters");
  blews.kill("SIGSTOP");
  await state(page, /^lost$/);
  blews.kill("SIGCONT");
  await state(page, /^receiving$/);
});

test("what the server did not wait with is counted, and said", async () => {
  const blews = await startBlews({ options: ["--queue", "4", "--stats-update", "0"] });
  const page = await openPage(blews);
  await blews.feed(batch("pi-hall"));
  await state(page, /^receiving$/);
  const busy = page.evaluate("const end = performance.now() + 10000; while (performance.now() < end);");
  const large = () => batch("pi-large", Array.from({ length: 600 }, (_, n) => detection(n, -67, { local_name: "x".repeat(200) })));
  for (let n = 0; n < 120; n++) await blews.feed(large());
  await busy;
  await shows(page, "#banner", /This page was too slow and missed [\d,]+ events\. A database, if there is one, has them\./);
  await shows(page, "#missed", /[1-9]/);
  await blews.feed(batch("pi-after"));
  await shows(page, "main", /pi-after/);
});

test("a browser without the token is led to the login, and back to the page", async () => {
  const file = `/tmp/blepipe-token-${process.pid}`;
  writeFileSync(file, "a-token-of-more-than-16-characters\n", { mode: 0o600 });
  const blews = await startBlews({ options: ["--token-file", file] });
  const page = await openPage(blews, { awaited: "input[name=token]" });
  assert.match(page.url(), /\/login$/);
  await page.locator("input[name=token]").fill("a-token-of-more-than-16-characters");
  await page.keyboard.press("Enter");
  await state(page, /^nothing_yet$/);
});

// What the views of history say when there is no answer, or no whole one, and what a name in the database can do.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { batch, counts, findsNothing, freePort, openPage, shows, startBlews, test, until } from "./harness.mjs";
import { lines, MONTH, month, PIS, store, TROLLEY } from "./site.mjs";

const folder = mkdtempSync(join(tmpdir(), "blepipe-states-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const DAY = "since=2026-10-28T00:00:00Z&until=2026-10-29T00:00:00Z";
const VIEWS = ["presence", "occupancy", "coverage", "advertiser"];
const REFUSED = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INVALID_HTTP_RESPONSE|WebSocket connection to/;
const FAILED = /status of (400|403|404|503|504)/;
const address = (view, more = DAY) => `#/${view}?${view === "advertiser" ? `hash=${TROLLEY}&` : ""}${more}`;

// A view whose questions are answered so.
async function answered(view, status, body, context = {}) {
  const page = await openPage(await startBlews({ options: ["--db", await month()] }), { address: "#/live", expected: FAILED, ...context });
  await page.route("**/api/v1/**", (route) => route.fulfill({ status, contentType: "application/json", body: JSON.stringify(body) }));
  await page.goto(`${page.home}${address(view)}`);
  return page;
}

for (const view of VIEWS) {
  test(`without a database it says how to give one: ${view}`, async () => {
    const page = await openPage(await startBlews(), { address: address(view), expected: FAILED });
    await shows(page, "main", /This blews has no database to ask\.[^]*bleingest --db ble\.db \| blews --db ble\.db/);
    await findsNothing(page);
  });

  test(`an empty database says what to do next: ${view}`, async () => {
    const db = await store(join(folder, `empty-${view}.db`), []);
    const page = await openPage(await startBlews({ options: ["--db", db] }), { address: address(view), expected: FAILED });
    if (view === "advertiser") await shows(page, "main", /This was not found in the database/);
    else await shows(page, "main", /Nothing has been stored yet\.[^]*blescan --replay sample\.btsnoop --now \| bleingest --db ble\.db/);
    await findsNothing(page);
  });

  test(`what takes too long says so, and offers less: ${view}`, async () => {
    const page = await answered(view, 504, { detail: "the answer took too long: ask for a shorter time" });
    await shows(page, "main", /The answer took too long/);
    await findsNothing(page);
    await page.getByRole("button", { name: "Show half of this time" }).click();
    assert.match(await page.evaluate("location.hash"), /since=2026-10-28T06%3A00%3A00Z&until=2026-10-28T18%3A00%3A00Z/);
  });
}

test("a database that is not there is told with the server's words, and asked again", async () => {
  const db = join(folder, "later.db");
  const page = await openPage(await startBlews({ options: ["--db", db] }), { address: address("coverage"), expected: FAILED });
  await shows(page, "main", /The database cannot be asked for now; this page tries again[^]*later\.db/);
  await store(db, lines(MONTH.from + 27 * 86_400_000, 1, PIS.slice(0, 2)));
  await counts(page, ".lane-list li", 2);
});

test("nobody was heard, or nobody listened: two answers", async () => {
  const db = join(folder, "quiet.db");
  const empty = (at) => batch("pi-quiet", [], { timestamp: new Date(at).toISOString(), run_id: "0123456789abcdef", interval_ms: 60_000 });
  await store(db, [Array.from({ length: 60 }, (_, i) => JSON.stringify({ ...empty(MONTH.from + i * 60_000), seq: i })).join("\n"), "\n"]);
  const blews = await startBlews({ options: ["--db", db] });
  const page = await openPage(blews, { address: address("presence", "since=2026-10-01T00:10:00Z&until=2026-10-01T00:40:00Z") });
  await shows(page, "main", /Pis listened in this time, but no advertiser was told apart[^]*only numbers are under Occupancy/);
  await page.goto(`${blews.url}${address("presence", "since=2026-10-02T00:10:00Z&until=2026-10-02T00:40:00Z")}`);
  await shows(page, "main", /No Pi listened in this time, so nothing is known: silence is not absence/);
  await findsNothing(page);
  await page.getByRole("link", { name: "See when the Pis listened" }).click();
  await shows(page, "main", /pi-quiet/);
});

test("one advertiser that is not known, not told, or not one", async () => {
  const page = await openPage(await startBlews({ options: ["--db", await month()] }), { address: "#/advertiser", expected: FAILED });
  await shows(page, "main", /Which advertiser\?/);
  const ask = async (hash) => {
    await page.locator("#hash").fill(hash);
    await page.keyboard.press("Enter");
  };
  await ask("0123456789012345");
  await shows(page, "main", /This was not found in the database/);
  await ask("a");
  await shows(page, "main", /The question is not valid\. The server says: .*advertisers/);
  await ask("<img src=x onerror=alert(1)>");
  await shows(page, "main", /The question is not valid\. The server says: hash has no value that can be used/);
  await ask(TROLLEY.slice(0, 12).toUpperCase());
  await until(() => page.locator(".who").isVisible(), "the one of that beginning");
});

test("an answer that is cut says that there is more", async () => {
  const rows = Array.from({ length: 1000 }, (_, i) => ({ device_hash: String(i).padStart(64, "0"), device_id: "pi-1", rssi: -60, zone: "near", last: "2026-10-28T12:00:00.000Z", pis: 1, detections: 3 }));
  const page = await answered("presence", 200, { rows, more: "there are more than 1000 rows" });
  await shows(page, ".said", /Only a part is shown, the 1,000 strongest/);
  await counts(page, ".presence tbody tr", 1000);
});

test("an answer about a day that is being deleted says that it has a part", async () => {
  const rows = [{ device_hash: "0".repeat(64), device_id: "pi-1", rssi: -60, zone: "near", last: "2026-10-28T12:00:00.000Z", pis: 1, detections: 3 }];
  const page = await answered("presence", 200, { rows, deleted: "a day is being deleted" });
  await shows(page, ".said", /A day of this time is being deleted: only a part of it is shown/);
  await counts(page, ".presence tbody tr", 1);
});

const at = (minutes) => new Date(Date.UTC(2026, 9, 28, 12, minutes)).toISOString();

test("of an answer that is cut nothing is drawn before it begins, and its sum is no total", async () => {
  const rows = [{ device_id: "pi-1", what: "listening", from: at(0), until: at(12 * 60) }];
  const lost = [{ device_id: "pi-1", what: "batches", batches: 7, reason: "expired" }];
  const page = await answered("coverage", 200, { rows: [], more: "" });
  await page.unroute("**/api/v1/**");
  await page.route("**/api/v1/**", (route) => route.fulfill({ json: { rows: route.request().url().includes("/missing?") ? lost : rows, more: "there are more" } }));
  await page.reload();
  await shows(page, ".summary", /they listened 100 % of the time · at least 7 batches are missing/);
  assert.equal(await page.locator(".lane rect").first().getAttribute("x"), "0.000%");
  await shows(page, ".own summary", /28.*29 Oct 2026/);
});

test("what is missing is never rounded away", async () => {
  const [from, hole, until] = ["2026-10-28T00:00:00Z", "2026-10-28T23:59:40Z", "2026-10-29T00:00:00Z"];
  const page = await answered("coverage", 200, { rows: [{ device_id: "pi-1", what: "listening", from, until: hole }, { device_id: "pi-1", what: "silent", from: hole, until }] });
  await shows(page, ".summary", /they listened 99\.9 % of the time/);
});

test("without an answer for the hours of the week the rest is shown, and why", async () => {
  const page = await openPage(await startBlews({ options: ["--db", await month()] }), { address: "#/live", timezoneId: "Asia/Kolkata", expected: FAILED });
  await page.route("**/api/v1/occupancy?*every=30m*", (route) => route.fulfill({ status: 504, body: JSON.stringify({ detail: "the answer took too long" }) }));
  await page.goto(`${page.home}${address("occupancy", "since=2026-10-19T00:00:00Z&until=2026-10-26T00:00:00Z")}`);
  await counts(page, ".place-chart", 4);
  await shows(page, ".history section >> nth=1", /The answer took too long, so it was stopped/);
  assert.ok(await page.locator(".heat").isHidden());
  await findsNothing(page);
});

test("an average is of whole steps, those that are over", async () => {
  const row = (from, advertisers) => ({ from: at(from), until: at(from + 60), location: "Hall", near: advertisers, medium: 0, far: 0, advertisers, pis: 1, listened_s: 60 });
  const page = await answered("occupancy", 200, { rows: [row(0, 1), row(60, 10), row(120, 20), row(180, 3)] });
  await page.goto(`${page.home}${address("occupancy", "since=2026-10-28T12:30:00Z&until=2026-10-28T15:30:00Z")}`);
  await shows(page, ".place-chart", /at most 20 \(.*\), 15 on average/);
  await counts(page, ".heat td.nobody", 7 * 24 - 2);
});

test("an advertiser that was not heard is not nobody, and the last step ends now", async () => {
  const page = await answered("advertiser", 200, { rows: [], why_empty: "somebody listened, and nobody was heard" });
  await page.route("**/api/v1/pis?*", (route) => route.fulfill({ json: { rows: [{ device_id: "pi-1" }] } }));
  await page.reload();
  await shows(page, "main", /At least one Pi listened in this time, and did not hear this advertiser/);
  const begin = Math.floor(Date.now() / 300_000) * 300_000;
  const step = { device_hash: TROLLEY, device_id: "pi-1", what: "heard", from: new Date(begin).toISOString(), until: new Date(begin + 300_000).toISOString(), rssi: -50, mean_rssi: -50, detections: 1 };
  await page.route("**/api/v1/track?*", (route) => route.fulfill({ json: { rows: [step] } }));
  await page.goto(`${page.home}${address("advertiser", "since=1h")}`);
  const facts = page.locator(".facts dd");
  await until(async () => /^between /.test(await facts.nth(1).innerText()), "when it was heard last");
  const [, hour, minute] = /and (\d\d):(\d\d)$/.exec(await facts.nth(1).innerText());
  const day = 86_400_000, ago = (Date.now() - (Number(hour) * 60 + Number(minute)) * 60_000) % day;
  assert.ok(ago < day / 2, "not in the future");
});

test("while it waits it says so", async () => {
  const page = await openPage(await startBlews({ options: ["--db", await month()] }), { address: "#/live" });
  let go;
  const held = new Promise((resolve) => { go = resolve; });
  await page.route("**/api/v1/coverage*", async (route) => { await held; await route.continue(); });
  await page.goto(`${page.home}${address("coverage")}`);
  await shows(page, ".said", /Asking the database/);
  await findsNothing(page);
  await shows(page, ".said", /Still asking/);
  go();
  await until(() => page.locator(".history").isVisible(), "the answer");
  await shows(page, ".said", /^$/);
});

test("a lost connection is said, what is shown stays, and it comes back", async () => {
  const port = await freePort(), options = ["--db", await month()];
  const blews = await startBlews({ port, options });
  const page = await openPage(blews, { address: address("coverage"), expected: REFUSED });
  await counts(page, ".lane-list li", 6);
  await blews.end();
  await page.locator(".picker").getByRole("button", { name: "A longer time", exact: true }).click();
  await shows(page, ".said", /The server cannot be reached; this page tries again[^]*Shown: the state of [\d:]+/);
  await counts(page, ".lane-list li", 6);
  await startBlews({ port, options });
  await shows(page, ".said", /^$/);
});

test("without the library of charts there are tables, and what to install", async () => {
  const page = await openPage(await startBlews({ options: ["--db", await month()] }), { address: "#/live", expected: FAILED });
  await page.route("**/chart.min.js", (route) => route.fulfill({ status: 404, body: "{}" }));
  await page.goto(`${page.home}${address("advertiser")}`);
  await shows(page, "main", /sudo apt install libjs-chart\.js\. The table below has the same numbers/);
  assert.equal(await page.locator("canvas:visible").count(), 0);
  await counts(page, ".lane-list li", 6);
  await page.locator(".behind summary").click();
  await until(async () => await page.locator(".behind tbody tr").count() > 100, "the numbers");
  await findsNothing(page);
});

test("a library of charts that was not to be had once is asked for again, and that is said", async () => {
  const page = await openPage(await startBlews({ options: ["--db", await month()] }), { address: "#/live", expected: /ERR_FAILED|ERR_CONNECTION/ });
  let failing = true, asked = 0;
  await page.route(/chart\.min\.js/, (route) => {
    asked++;
    return failing ? route.abort("connectionreset") : route.continue();
  });
  await page.goto(`${page.home}${address("advertiser")}`);
  await shows(page, ".chart", /its library could not be fetched; this page tries again/);
  assert.equal(await page.locator("canvas:visible").count(), 0);
  failing = false;
  await until(() => page.evaluate("globalThis.Chart?.getChart(document.querySelector('canvas'))?.data.datasets.length"), "the chart");
  await counts(page, "canvas:visible", 1);
  assert.ok(await page.getByText("could not be fetched").isHidden());
  assert.ok(asked >= 2);
});

// Questions to /api/v1/ from now on, and a clock of the page's that can be moved.
async function questions(page) {
  const asked = [];
  page.on("request", (request) => { if (request.url().includes("/api/v1/")) asked.push(request.url()); });
  await page.clock.install();
  return asked;
}

// A connection without counters: by them a page knows that it is dead, and would take it for dead whenever the clock is put forward.
function withoutCounters(page) {
  return page.routeWebSocket("**/ws", (socket) => {
    socket.connectToServer().onMessage((message) => socket.send(message.split("\n").filter((line) => !line.includes("stats_update")).join("\n")));
  });
}

for (const [what, status, body, wanted] of [
  ["whom a proxy lets nobody ask", 403, "<html>no", /cannot be asked from here: the server answers “403” to all below api\/v1\/\. If there is a proxy before blews, let it pass/],
  ["of which a proxy knows nothing", 404, "<html>nothing", /the server answers “404” to all below api\/v1\//],
  ["that has no database", 404, JSON.stringify({ detail: "blews was started without --db, so it has no history" }), /This blews has no database[^]*bleingest --db ble\.db \| blews --db ble\.db/]]) {
  for (const view of ["occupancy", "now"]) {
    test(`a server ${what} is asked no more, and what to do is said: ${view}`, async () => {
      const blews = await startBlews({ options: ["--db", await month()] });
      const page = await openPage(blews, { address: "#/live", expected: FAILED, prepare: withoutCounters });
      const asked = await questions(page);
      await page.route("**/api/v1/**", (route) => route.fulfill({ status, body }));
      await page.goto(`${page.home}#/${view}`);
      await shows(page, "main", wanted);
      const before = asked.length;
      for (let minute = 0; minute < 60; minute++) await page.clock.fastForward(60_000);
      assert.deepEqual(asked.slice(before), []);
    });
  }
}

test("what was asked no more is asked again when blews is there anew, with a database", async () => {
  const port = await freePort(), blews = await startBlews({ port });
  const page = await openPage(blews, { address: address("coverage"), expected: /status of 404/ });
  await shows(page, "main", /This blews has no database/);
  page.removeAllListeners("console");  // of a server that is gone
  await blews.end();
  await startBlews({ port, options: ["--db", await month()] });
  await counts(page, ".lane-list li", 6);
});

test("a database that stays away is asked less and less often", async () => {
  const page = await openPage(await startBlews({ options: ["--db", await month()] }), { address: "#/live", expected: FAILED, prepare: withoutCounters });
  const asked = await questions(page);
  await page.route("**/api/v1/**", (route) => route.fulfill({ status: 503, body: JSON.stringify({ detail: "the database cannot be read now" }) }));
  await page.goto(`${page.home}#/coverage?since=1h`);
  await shows(page, "main", /this page tries again by itself/);
  for (let minute = 0; minute < 60; minute++) {
    await page.clock.fastForward(60_000);
    await page.evaluate("fetch('health').then(() => null)");  // answers come in the time of the test
  }
  const rounds = asked.filter((url) => url.includes("/coverage?")).length;
  assert.ok(rounds >= 4 && rounds <= 14, `${rounds} in an hour`);
});

test("names that mean harm are text, in every view and in files", async () => {
  const HARM = "<img src=x onerror=\"window.harmed=1\">";
  const db = await store(join(folder, "harm.db"), lines(MONTH.from + 27 * 86_400_000, 1, [{ ...PIS[3], id: HARM, location: "=HYPERLINK(\"x\")\"><script>window.harmed=1</script>", more: { name: "{{harm}}" } }, PIS[0]]));
  const blews = await startBlews({ options: ["--db", db] });
  const page = await openPage(blews, { address: "#/live" });
  for (const view of VIEWS) {
    await page.goto(`${blews.url}${address(view)}`);
    await until(() => page.locator(".history").isVisible(), view);
    await shows(page, "main", view === "occupancy" ? /\{\{harm\}\} · =HYPERLINK/ : /<img src=x/);
    assert.equal(await page.evaluate("window.harmed"), undefined);
    assert.equal(await page.locator("main img, main script, [onerror]").count(), 0);
  }
  await page.goto(`${blews.url}${address("occupancy")}&place=${encodeURIComponent("{{harm}}")}`);
  await counts(page, ".place-chart", 1);
  const { csv } = await page.evaluate("import('./csv.js').then(({ csv }) => ({ csv: csv([{ a: '=1+1', b: 'x \"y\", z', c: -5 }]) }))");
  assert.equal(csv, "a,b,c\r\n'=1+1,\"x \"\"y\"\", z\",-5\r\n");
});

test("an address that means harm is a range and filters that are not there", async () => {
  const harm = encodeURIComponent("\"><script>alert(1)</script>");
  const page = await openPage(await startBlews({ options: ["--db", await month()] }), { address: `#/coverage?since=${harm}&until=${harm}&device=${harm}&place=${harm}&__proto__=1`, expected: FAILED });
  await shows(page, "main", /This was not found in the database/);
  await page.goto(`${page.home}#/occupancy?since=9999d&until=0`);
  await shows(page, "main", /The time in the address is not valid[^]*No Pi listened in this time/);
  await page.goto(`${page.home}#/coverage?since=2026-10-28T00:00:00Z&until=2026-10-27T00:00:00Z`);
  await shows(page, "main", /The time in the address is not valid/);
  await shows(page, ".own summary", /\d{4}/);
  await page.goto(`${page.home}#/coverage?since=24h&until=2026-10-28T00:00:00Z`);
  await shows(page, ".own summary", /27.*28 Oct 2026/);
  assert.ok(await page.getByText("The time in the address is not valid").isHidden());
});

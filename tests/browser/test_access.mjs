// For everybody: phone, dark, keyboard, screen reader, two languages, the viewer's zone; and light on a slow line.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHash } from "node:crypto";
import { batch, counts, detection, findsNothing, freePort, openPage, picture, shows, startBlews, state, test, until } from "./harness.mjs";
import { month, store } from "./site.mjs";

const rows = ".rows tbody tr[data-number]";
const before = (minutes) => ({ timestamp: new Date(Date.now() - minutes * 60_000).toISOString() });
const VIEWS = ["now", "live"];
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

// A site with Pis in each state, and losses.
async function site() {
  const blews = await startBlews();
  const gap = { format: 1, device_id: "pi-hall", run_id: "r", gap: { from_seq: 17, to_seq: 23, reason: "buffer_full" } };
  const heard = (n) => Array.from({ length: n }, (_, i) => detection(i, -45 - 2 * i, i % 3 ? {} : { local_name: `Sensor ${i}` }));
  await blews.feed(batch("pi-silent", heard(3), { location: "Cellar", ...before(90) }), batch("pi-late", heard(3), { location: "Attic", ...before(3) }),
                   batch("pi-lab", heard(9), { location: "2nd floor", clock: "unsynced" }), batch("pi-hall", heard(20), { name: "Hall", location: "Ground floor" }), gap);
  return blews;
}

async function fitsInWidth(page) {
  const { scrollWidth, clientWidth } = await page.evaluate("({ scrollWidth: document.documentElement.scrollWidth, clientWidth: document.documentElement.clientWidth })");
  assert.equal(scrollWidth, clientWidth);
}

for (const [look, context] of [["light", {}], ["dark", { colorScheme: "dark" }], ["phone", PHONE], ["phone-dark-es", { ...PHONE, colorScheme: "dark", locale: "es-CL" }]]) {
  test(`axe finds nothing: ${look}`, async () => {
    const blews = await site();
    for (const view of VIEWS) {
      const page = await openPage(blews, { address: `#/${view}`, ...context });
      await counts(page, view === "now" ? ".tile" : rows, view === "now" ? 4 : await page.locator(rows).count());
      await findsNothing(page);
      await fitsInWidth(page);
      await picture(page, `${view}-${look}`);
    }
    const page = await openPage(blews, { address: "#/live?q=nothing-like-this", ...context });
    await shows(page, "main", /35/);
    await findsNothing(page);
  });
}

test("axe finds nothing while there is nothing", async () => {
  const page = await openPage(await startBlews());
  await shows(page, "main", /blescan/);
  await findsNothing(page);
});

test("RSSI, zone and count are in sight on a phone", async () => {
  const page = await openPage(await site(), { address: "#/live?device=pi-hall", ...PHONE });
  await counts(page, ".rows thead th:visible", 6);
  await page.locator(rows).first().waitFor();
  for (const name of ["time", "pi", "advertiser", "rssi", "zone", "count"]) {
    const cell = page.locator(`${rows} td.${name}`).first();
    const { x, width } = await cell.boundingBox();
    assert.ok(x >= 0 && width >= 20 && x + width <= 360, `${name} from ${x}, ${width} wide`);
    if (name !== "advertiser") assert.ok(await cell.evaluate((td) => td.scrollWidth <= td.clientWidth), `${name} is cut off: ${await cell.innerText()}`);
  }
});

test("dark is dark", async () => {
  const blews = await startBlews();
  const light = (page) => page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0)");
  assert.ok(await light(await openPage(blews)) > 600);
  assert.ok(await light(await openPage(blews, { colorScheme: "dark" })) < 150);
});

test("Spanish for who asks for it, and the choice is kept", async () => {
  const blews = await site();
  const page = await openPage(blews, { locale: "es-CL" });
  await shows(page, ".summary", /4 Pis · .*escucha.*En silencio: pi-silent/);
  assert.equal(await page.evaluate("document.documentElement.lang"), "es");
  await page.getByLabel("Idioma").selectOption("en");
  await shows(page, ".summary", /Silent: pi-silent/);
  await page.reload();
  await shows(page, ".summary", /Silent: pi-silent/);
  await page.goto(`${blews.url}#/live?q=hall+cerca`);
  await page.getByLabel("Language").selectOption("es");
  await until(async () => await page.locator(rows).count() > 0, "what is near, in Spanish");
  await shows(page, rows, /cerca/);
  const other = await openPage(blews, { locale: "fr-FR" });
  await shows(other, "nav", /Now\s+Who is where/);
});

test("both languages have the same words, and the same places in them for values", async () => {
  const page = await openPage(await startBlews());
  const { en, es } = await page.evaluate("import('./words.js').then(({ languages }) => languages)");
  assert.deepEqual(Object.keys(es), Object.keys(en));
  const values = (text) => [...new Set(String(text).match(/\{\w+\}/g) ?? [])].sort();
  for (const key of Object.keys(en)) assert.deepEqual(values(es[key]), values(en[key]), key);
});

test("times are the viewer's", async () => {
  const blews = await startBlews();
  const timestamp = new Date().toISOString();
  await blews.feed(batch("pi-hall", [detection(1, -50, { timestamp })]));
  for (const timezoneId of ["America/Santiago", "Asia/Kathmandu"]) {
    const page = await openPage(blews, { address: "#/live", timezoneId });
    const expected = new Intl.DateTimeFormat("en-GB", { timeZone: timezoneId, hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(timestamp));
    await until(async () => await page.locator(`${rows} td.time`).innerText() === expected, expected);
    await shows(page, "footer", new RegExp(timezoneId === "Asia/Kathmandu" ? "Asia/Kat(h)?mandu" : timezoneId));
  }
});

test("all can be done by keyboard", async () => {
  const page = await openPage(await site());
  const focused = () => page.evaluate("document.activeElement.id || document.activeElement.className || document.activeElement.textContent");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "skip");
  assert.ok((await page.locator(".skip").boundingBox()).x >= 0, "the link is in sight when it has the focus");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "view");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Hall");
  assert.notEqual(await page.evaluate("getComputedStyle(document.activeElement).outlineStyle"), "none");
  await page.keyboard.press("Enter");
  await shows(page, "#kept", /20 of 35/);
  for (const wanted of ["q", "Pi", "zone", "pause", "list"]) {
    await page.keyboard.press("Tab");
    const name = await page.evaluate("document.activeElement.id || document.activeElement.className || document.activeElement.ariaLabel");
    assert.equal(name, wanted);
  }
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await until(() => page.locator(".picked.card").isVisible(), "the card of the picked one");
  await page.locator("#pause").focus();
  await page.keyboard.press("Space");
  assert.equal(await page.locator("#pause").innerText(), "Go on");
});

test("a screen reader is told of the connection when it changes, and not each second", async () => {
  const blews = await startBlews();
  const page = await openPage(blews);
  await page.evaluate("window.said = []; new MutationObserver(() => said.push(document.getElementById('say').textContent)).observe(document.getElementById('say'), { childList: true, characterData: true, subtree: true })");
  await blews.feed(batch("pi-hall"));
  await state(page, /^receiving$/);
  await shows(page, "#connection", /last [3-9] s ago/);
  assert.deepEqual(await page.evaluate("said"), ["Receiving"]);
  assert.equal(await page.locator("[aria-live], [role=log]").count(), 0);
});

test("what goes on by itself changes nothing that a screen reader reads aloud", async () => {
  const port = await freePort(), blews = await startBlews({ port });
  const page = await openPage(blews, { address: "#/live?q=nothing-like-this", expected: /ERR_CONNECTION|ERR_EMPTY_RESPONSE|WebSocket connection to/ });
  await blews.feed(batch("pi-hall", [detection(1)]));
  await shows(page, ".empty", /None of the detections kept here match\./);
  await shows(page, "#say", /^Receiving$/);
  assert.equal(await page.locator(".empty").getAttribute("role"), "status");
  await page.evaluate(`window.aloud = []; new MutationObserver((all) => {
    for (const { target } of all) if ((target.closest ?? target.parentElement.closest).call(target.closest ? target : target.parentElement, "[role=status], [role=alert], [role=log], [aria-live]")) aloud.push(target.textContent);
  }).observe(document.body, { childList: true, characterData: true, subtree: true })`);
  for (let n = 0; n < 6; n++) {
    await blews.feed(batch("pi-hall", [detection(n)]), batch("pi-lab", [detection(n)]));
    await shows(page, "#kept", new RegExp(`^0 of ${1 + 2 * (n + 1)} detections`));
  }
  assert.deepEqual(await page.evaluate("aloud"), []);
  await blews.end();
  await state(page, /^lost$/);
  await shows(page, "#banner", /Next try in/);
  await page.evaluate("aloud.length = 0");
  const before = await page.locator("#banner").innerText();
  await until(async () => await page.locator("#banner").innerText() !== before, "the countdown to go on");
  assert.deepEqual(await page.evaluate("aloud"), []);
});

test("the rows in the document say which of all they are, and what is picked is pressed", async () => {
  const page = await openPage(await site(), { address: "#/live" });
  await shows(page, "#kept", /^35 detections/);
  const told = () => page.locator(".rows [aria-rowindex]").evaluateAll((all) => all.map((row) => Number(row.getAttribute("aria-rowindex"))));
  const wanted = (first, n) => Array.from({ length: n }, (_, i) => first + i);
  assert.deepEqual(await told(), wanted(1, (await told()).length));
  assert.equal(await page.locator(".rows").getAttribute("aria-rowcount"), "36");
  await page.locator(".list").evaluate((list) => { list.scrollTop = list.scrollHeight; });
  await until(async () => (await told()).at(-1) === 36, "the last row");
  await page.locator(`${rows} button`).last().click();
  await until(async () => await page.locator(".rows button[aria-pressed=true]").count() > 0, "the pressed one");
  assert.equal(await page.locator(".rows button[aria-pressed=true]").count(), await page.locator(".rows tr.picked").count());
  await page.locator("#pause").click();
  assert.equal(await page.locator("#pause").innerText(), "Go on");
  assert.equal(await page.locator("#pause").getAttribute("aria-pressed"), null, "its name says what it does");
});

// In the page's own modules.
const formatted = (page, body) => page.evaluate(`import("./format.js").then((format) => (${body}))`);

test("a date of another year has its year, decimals are those of the language, and 100 % is all", async () => {
  const blews = await startBlews(), page = await openPage(blews), year = new Date().getUTCFullYear();
  const [now, other, day, time] = await formatted(page, `[format.moment(Date.UTC(${year}, 2, 5, 12)), format.moment(Date.UTC(${year - 1}, 2, 5, 12)),
    format.day(Date.UTC(${year - 1}, 2, 5, 12)), format.time(Date.UTC(${year - 1}, 2, 5, 12))]`);
  assert.equal(now, "5 Mar, 12:00");
  for (const text of [other, day, time]) assert.match(text, new RegExp(`^5 Mar ${year - 1}`));
  const spanish = await openPage(blews, { locale: "es-CL" });
  assert.deepEqual(await formatted(spanish, "[format.dbm(-61.5), format.percent(0.985, 1), format.dbm(-60)]"), ["−61,5", "98,5", "−60"]);
  assert.deepEqual(await formatted(page, "[1, 0.9996, 0.99951, 0.5, 0.0001, 0].map((part) => format.percent(part, 1))"), ["100", "99.9", "99.9", "50", "0.1", "0"]);
  assert.deepEqual(await formatted(page, "[1, 0.996, 0.334, 0.001, 0].map((part) => format.percent(part))"), ["100", "99", "33", "1", "0"]);
});

// What has come over the wire for the page, by HTTP.
const transferred = (page) => page.evaluate("performance.getEntries().filter(({ entryType }) => ['navigation', 'resource'].includes(entryType)).map(({ name, transferSize }) => [name, transferSize])");
const total = (sizes) => sizes.reduce((sum, [, size]) => sum + size, 0);

test("the whole page is under 200 kB with its charts, and comes from blews alone", async (context) => {
  const blews = await startBlews({ options: ["--db", await month()] });
  const page = await openPage(blews);
  for (const view of ["presence", "occupancy", "coverage"]) {
    await page.goto(`${blews.url}#/${view}?since=2026-10-28T00:00:00Z&until=2026-10-29T00:00:00Z`);
    await page.locator(".history:not([hidden])").waitFor();
  }
  await until(() => page.evaluate("globalThis.Chart !== undefined"), "the library of charts");
  const sizes = (await transferred(page)).filter(([name]) => !name.includes("/api/"));
  context.diagnostic(`${total(sizes)} bytes`);
  assert.ok(sizes.length >= 20, String(sizes));
  assert.ok(total(sizes) < 200_000, String(sizes));
  for (const [name] of sizes) assert.ok(name.startsWith(blews.url) || name.startsWith("data:"), name);
});

// Of hashes as they are, which cannot be packed.
const manyPis = () => Array.from({ length: 200 }, (_, pi) => batch(`pi-${pi}`, Array.from({ length: 15 }, (__, i) =>
  detection(0, -50 - 2 * i, { device_hash: createHash("sha256").update(`${pi * 7 + i}`).digest("hex") })), { location: `Place ${pi % 40}` }));
const SECOND_OF_LINE = 1_000_000 / 8;  // bytes

for (const stored of [true, false]) {
  test(`200 Pis are there after what a line of 1 Mbit/s carries in a second, ${stored ? "from the database" : "without a database"}`, async (context) => {
    const folder = mkdtempSync(join(tmpdir(), "blepipe-many-"));
    try {
      const all = manyPis();
      const blews = await startBlews({ options: stored ? ["--db", await store(join(folder, "many.db"), all.map((one) => `${JSON.stringify(one)}\n`))] : [] });
      if (!stored) await blews.feed(...all);
      let open;
      const held = new Promise((resolve) => { open = resolve; });
      const page = await openPage(blews, { awaited: ".tile >> nth=0", prepare: (tab) =>
        tab.routeWebSocket("**/ws", (socket) => { held.then(() => socket.connectToServer()); }) });  // what comes by it comes later
      await counts(page, ".tile[data-state=listening]", 200);
      if (!stored) await shows(page, ".tile:has(h3 a:text-is('pi-7')) .zones", /6 near\s*7 medium\s*2 far/);
      const bytes = total(await transferred(page));
      context.diagnostic(`${bytes} bytes`);
      assert.ok(bytes < SECOND_OF_LINE, `${bytes} bytes`);
      if (stored) return;
      await shows(page, ".places tbody tr >> nth=0", /5 \/ 5\s*–\s*–\s*–/);
      open();
      await shows(page, ".places tbody tr >> nth=0", /5 \/ 5\s*\d+\s*\d+\s*\d+/);
      await shows(page, ".tile:has(h3 a:text-is('pi-7')) .zones", /6 near\s*7 medium\s*2 far/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

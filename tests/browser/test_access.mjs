// For everybody: phone, dark, keyboard, screen reader, two languages, the viewer's zone; and light on a slow line.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { batch, counts, detection, findsNothing, openPage, picture, shows, startBlews, state, test, until } from "./harness.mjs";
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
  assert.equal(await page.locator("#pause").getAttribute("aria-pressed"), "true");
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

test("200 Pis are there after what a line of 1 Mbit/s carries in a second", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "blepipe-many-"));
  try {
    const all = Array.from({ length: 200 }, (_, pi) => batch(`pi-${pi}`, Array.from({ length: 15 }, (__, i) => detection(pi * 7 + i, -50 - 2 * i)), { location: `Place ${pi % 40}` }));
    const db = await store(join(folder, "many.db"), all.map((one) => `${JSON.stringify(one)}\n`));
    const page = await openPage(await startBlews({ options: ["--db", db] }));
    await counts(page, ".tile[data-state=listening]", 200);
    const bytes = total(await transferred(page));
    context.diagnostic(`${bytes} bytes`);
    assert.ok(bytes < 1_000_000 / 8, `${bytes} bytes`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

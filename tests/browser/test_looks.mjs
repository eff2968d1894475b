// The views of history for everybody: light and dark, desk and phone, two languages, keyboard, screen reader. And the pictures of the pages in
// docs/pictures, with which the pages are compared: BLEPIPE_PICTURES=accept makes them anew.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { counts, findsNothing, openPage, picture, shows, startBlews, test, until } from "./harness.mjs";
import { smallPng } from "./small_png.mjs";
import { lines, month, PIS, STEP_MS, store, TROLLEY } from "./site.mjs";

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const LOOKS = [["light", {}], ["dark", { colorScheme: "dark" }], ["phone", PHONE], ["phone-dark-es", { ...PHONE, colorScheme: "dark", locale: "es-CL" }]];
const VIEWS = {
  advertiser: `#/advertiser?hash=${TROLLEY}&since=2026-10-27T00:00:00Z&until=2026-10-30T00:00:00Z`,
  coverage: "#/coverage?since=2026-10-22T00:00:00Z&until=2026-10-31T00:00:00Z",
  occupancy: "#/occupancy?since=2026-10-19T00:00:00Z&until=2026-10-26T00:00:00Z",
  presence: "#/presence?since=2026-10-29T12:00:00Z&until=2026-10-29T12:15:00Z",
};
const HOUR = 3600_000, LARGEST_PICTURE = 120_000;

async function drawn(page) {
  await page.locator(".history:not([hidden])").waitFor();
  await until(() => page.evaluate("[...document.querySelectorAll('canvas')].every((canvas) => globalThis.Chart?.getChart(canvas))"), "the charts");
}

for (const [look, context] of LOOKS) {
  test(`axe finds nothing, and all fits: ${look}`, async () => {
    const blews = await startBlews({ options: ["--db", await month()] });
    for (const [view, address] of Object.entries(VIEWS)) {
      const page = await openPage(blews, { address, ...context });
      await drawn(page);
      await findsNothing(page);
      const { scrollWidth, clientWidth } = await page.evaluate("({ scrollWidth: document.documentElement.scrollWidth, clientWidth: document.documentElement.clientWidth })");
      assert.equal(scrollWidth, clientWidth, view);
      await picture(page, `${view}-${look}`);
      for (const summary of await page.locator("summary").all()) await summary.click();
      await findsNothing(page);
    }
  });
}

test("each chart says in words what it shows, and has a table behind it", async () => {
  const blews = await startBlews({ options: ["--db", await month()] });
  for (const view of ["advertiser", "occupancy", "coverage"]) {
    const page = await openPage(blews, { address: VIEWS[view] });
    await drawn(page);
    for (const image of await page.locator("canvas, .lane").all()) assert.match(await image.getAttribute("aria-label"), /\d/, view);
    assert.equal(await page.locator(".zoomable").count(), await page.locator(".zoomable[aria-label*='by keyboard']").count());
    await page.locator(".behind summary").click();
    await until(async () => await page.locator(".behind tbody tr").count() > 10, "the numbers");
  }
});

test("a chart is drawn again in the colours of the dark", async () => {
  const page = await openPage(await startBlews({ options: ["--db", await month()] }), { address: VIEWS.advertiser });
  await drawn(page);
  const line = () => page.evaluate("Chart.getChart(document.querySelector('canvas')).data.datasets[0].borderColor");
  const light = await line();
  await page.emulateMedia({ colorScheme: "dark" });
  await until(async () => await line() !== light, "other colours");
});

test("all of a view can be reached by keyboard", async () => {
  const page = await openPage(await startBlews({ options: ["--db", await month()] }), { address: VIEWS.occupancy });
  await drawn(page);
  await page.locator("#view").focus();
  const seen = [];
  for (let i = 0; i < 22; i++) {
    await page.keyboard.press("Tab");
    seen.push(await page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent"));
  }
  for (const wanted of ["place", "1 h", "30 days", "Earlier", "Later", "A longer time", /^19 Oct/, /^Chart\. /, /^Show as a table/, "CSV file", "Hours and weekdays"])
    assert.ok(seen.some((text) => wanted instanceof RegExp ? wanted.test(text) : text === wanted), `${wanted} in ${seen.join(" | ")}`);
});

test("the Pi, RSSI and zone of each are in sight on a phone", async () => {
  const page = await openPage(await startBlews({ options: ["--db", await month()] }), { address: VIEWS.presence, ...PHONE });
  await page.locator(".presence tbody tr").first().waitFor();
  for (const name of ["advertiser", "pi", "rssi", "zone"]) {
    const { x, width } = await page.locator(`.presence td.${name}`).first().boundingBox();
    assert.ok(x >= 0 && x + width <= 390, `${name} from ${x}, ${width} wide`);
  }
});

test("Spanish, with dates as its reader writes them", async () => {
  const page = await openPage(await startBlews({ options: ["--db", await month()] }), { address: VIEWS.coverage, locale: "es-CL" });
  await shows(page, "main", /6 Pis · escucharon el 9\d(,\d)? % del tiempo · faltan 54 lotes[^]*Cuándo escuchó cada Pi/i);
  await shows(page, ".own summary", /22 de oct|22 oct|22-10/);
});

// In blocks, which differ little when a font does: the part of them in which two pictures differ.
const difference = (page, one, other) => page.evaluate(async ([first, second]) => {
  const blocks = async (data) => {
    const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))]), { resizeWidth: 80, resizeHeight: 50, resizeQuality: "high" });
    const canvas = new OffscreenCanvas(80, 50), context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, 80, 50).data;
  };
  const [a, b] = await Promise.all([blocks(first), blocks(second)]);
  let different = 0;
  for (let i = 0; i < a.length; i += 4) if (Math.abs(a[i] - b[i]) + Math.abs(a[i + 1] - b[i + 1]) + Math.abs(a[i + 2] - b[i + 2]) > 60) different++;
  return different / (a.length / 4);
}, [one, other].map((bytes) => bytes.toString("base64")));

const TOLERATED = 0.06;  // of the blocks

// Compares the page with its picture in docs/pictures, which is made when it is to be, or is not there.
async function looksAsBefore(page, name) {
  const folder = join(process.env.BLEPIPE_SOURCE, "docs", "pictures"), path = join(folder, `${name}.png`);
  const now = await page.screenshot({ animations: "disabled" });
  if (process.env.BLEPIPE_PICTURES === "accept" || !existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, await smallPng(page, now));
  }
  assert.ok(statSync(path).size < LARGEST_PICTURE, `${path} has ${statSync(path).size} bytes`);
  const part = await difference(page, readFileSync(path), now);
  assert.ok(part < TOLERATED, `${name}: ${Math.round(part * 100)} % of the page differ from ${path}; when that is meant: BLEPIPE_PICTURES=accept`);
}

for (const view of ["advertiser", "coverage", "occupancy"]) {
  test(`it looks as in docs/pictures: ${view}`, async () => {
    const page = await openPage(await startBlews({ options: ["--db", await month()] }), { address: VIEWS[view] });
    await drawn(page);
    await looksAsBefore(page, view);
  });
}

// A Thursday, 14:40: what is stored of it, and what each Pi has sent last.
async function today(folder) {
  const end = Math.floor(Date.now() / STEP_MS) * STEP_MS;
  const pieces = [...lines(end - 14 * HOUR - 40 * 60_000, 1, PIS, end)];
  await store(join(folder, "today.db"), pieces);
  const last = new Map(pieces.join("").trim().split("\n").map((line) => JSON.parse(line)).filter((line) => line.detections).map((line) => [line.device_id, line]));
  return [...last.values()].map((line) => ({ ...line, timestamp: new Date().toISOString(), interval_ms: 30_000 }));
}

test("it looks as in docs/pictures: now", async () => {
  const folder = mkdtempSync(join(tmpdir(), "blepipe-today-"));
  try {
    const batches = await today(folder);
    const blews = await startBlews({ options: ["--db", join(folder, "today.db")] });
    const page = await openPage(blews, { address: "#/now" });
    await blews.feed(...batches.map((one) => ({ ...one, run_id: "0123456789abcdef" })));
    await counts(page, ".tile", 6);
    await until(async () => await page.locator(".tile .past:not([d='M0 0'])").count() === 6, "the last hour of each");
    await until(async () => await page.locator(".places .past:not([d='M0 0'])").count() === 4, "the last hour of each place");
    await findsNothing(page);
    await looksAsBefore(page, "now");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

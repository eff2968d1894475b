// Names and values that mean harm, or are none at all, are text or nothing.
import assert from "node:assert/strict";
import { batch, counts, detection, hash, openPage, shows, startBlews, state, test, until } from "./harness.mjs";

const HARM = ["<img src=x onerror=\"window.harmed=1\">", "<script>window.harmed=1</script>", "\"><svg onload=window.harmed=1>", "javascript:window.harmed=1", "{{constructor.constructor('window.harmed=1')()}}"];
const rows = ".rows tbody tr[data-number]";

const event = (data) => ({ type: "detection_event", data });

async function unharmed(page) {
  assert.equal(await page.evaluate("window.harmed"), undefined);
  assert.equal(await page.locator("main img, main script, main iframe, main object, main svg[onload], [onerror], [onclick]").count(), 0);
}

test("markup in every name is shown as what it is", async () => {
  const blews = await startBlews();
  const page = await openPage(blews);
  for (const [n, harm] of HARM.entries()) {
    await blews.feed(batch(harm, [detection(n, -50, { local_name: harm, company: harm, beacon: { type: harm, [harm]: harm }, address: harm })],
                           { name: harm, location: harm, version: harm, hash_id: harm }),
                     { format: 1, device_id: harm, run_id: harm, gap: { from_seq: 1, to_seq: 2, reason: harm } });
  }
  await counts(page, ".tile", HARM.length);
  for (const harm of HARM) assert.ok((await page.locator("main").innerText()).includes(harm), harm);
  await unharmed(page);
  for (const link of await page.locator(".tile a").all()) assert.match(await link.getAttribute("href"), /^#\/live\?device=/);
  await page.locator(".tile a").first().click();
  await counts(page, rows, 1);
  await page.locator("#q").fill("<script>");
  await page.getByLabel("Pi", { exact: true }).selectOption("");
  await counts(page, rows, 1);
  await page.locator(`${rows} button`).click();
  await until(() => page.locator(".picked.card").isVisible(), "the card of the picked one");
  await unharmed(page);
});

test("an address that means harm is a search that finds nothing", async () => {
  const blews = await startBlews();
  await blews.feed(batch("pi-hall"));
  const q = encodeURIComponent(HARM[0]);
  const page = await openPage(blews, { address: `#/live?q=${q}&device=${q}&zone=${q}&pick=${q}&__proto__=1&constructor=2` });
  await shows(page, "main", /None of the detections kept here match/);
  await unharmed(page);
  await page.goto(`${blews.url}#/%3Cscript%3E?%`);
  await counts(page, ".tile", 1);
});

test("what is no name, no number and no list stops nothing", async () => {
  const blews = await startBlews();
  const page = await openPage(blews);
  const odd = [null, 7, {}, [], [[1]], { toString: 1 }, "x".repeat(100_000), -1e300];
  for (const value of odd) {
    await blews.feed(event({ device_id: value, detections: [] }), event({ device_id: "pi-odd", detections: value }),
                     event({ ...batch("pi-odd"), name: value, location: value, timestamp: value, clock: value, run_id: value, seq: value, window_ms: value,
                             interval_ms: value, occupancy: value, hash_id: value, detections: [value, { device_hash: value, rssi: value }] }),
                     event({ ...batch("pi-odd"), name: value, location: value, window_ms: value, interval_ms: value, occupancy: value, clock: value,
                             detections: [{ device_hash: hash(3), rssi: -60, zone: value, count: value, timestamp: value, local_name: value, company: value, beacon: value,
                                            address: value }] }),
                     { type: "gap_event", data: { device_id: "pi-odd", gap: value, run_id: value } }, { type: "two_at_once_event", data: { device_id: "pi-odd", run_ids: value } },
                     { type: "gap_event", data: { device_id: "pi-odd", gap: { from_seq: value, to_seq: value, reason: value } } },
                     { type: "detection_event", data: value }, { type: "stats_update", data: { clients: value } }, { type: "something_else", data: { device_id: "x" } });
  }
  for (const id of ["__proto__", "constructor", "toString"]) await blews.feed(batch(id, [detection(1, -50, { beacon: { a: { b: { c: { d: {} } } } } })]));
  await blews.feed(batch("pi-good", [detection(7)]));
  await shows(page, "main", /pi-good[^]*/);
  await shows(page, "main", /__proto__/);
  await page.goto(`${blews.url}#/live?q=pi-good`);
  await until(async () => await page.locator(`${rows} button[title="${hash(7)}"]`).count() === 1, "the good one");
  await page.goto(`${blews.url}#/live?q=pi-odd`);
  await until(async () => await page.locator(rows).count() > 0, "the odd ones");
  await state(page, /^receiving$/);
});

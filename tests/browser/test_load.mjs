// 500 events a second, for a while, with all that can be kept: memory stays as it is, and nothing is missed.
// BLEPIPE_BROWSER_SECONDS: for how long, 30 without it.
import assert from "node:assert/strict";
import { batch, detection, openPage, shows, startBlews, test, until } from "./harness.mjs";

const SECONDS = Number(process.env.BLEPIPE_BROWSER_SECONDS ?? 30);
const EVENTS_A_SECOND = 500, DETECTIONS = 4, PIS = 200, MOST_ROWS = 50_000;
let made = 0;

function events(count, more = {}) {
  return Array.from({ length: count }, () => {
    const n = made++;
    return batch(`pi-${n % PIS}`, Array.from({ length: DETECTIONS }, (_, i) => detection(n % 5000 + i, -40 - (n + i) % 55, { local_name: `Sensor ${n % 97}` })), { location: `Place ${n % 12}`, ...more });
  });
}

async function used(page) {
  const session = await page.context().newCDPSession(page);
  for (let i = 0; i < 3; i++) await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  const { nodes, jsEventListeners } = await session.send("Memory.getDOMCounters");
  await session.detach();
  return { heap: usedSize, nodes, listeners: jsEventListeners };
}

// Feeds at the rate for so long; the rate is by the clock, so that what a busy machine holds up is made up for.
async function feed(blews, seconds) {
  const start = Date.now();
  for (let sent = 0; sent < seconds * EVENTS_A_SECOND;) {
    const due = Math.min(seconds * EVENTS_A_SECOND, Math.floor((Date.now() - start) / 1000 * EVENTS_A_SECOND));
    if (due > sent) await blews.feed(...events(due - sent));
    sent = Math.max(sent, due);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

for (const view of ["live", "now"]) {
  test(`${EVENTS_A_SECOND} events a second with a flat memory: ${view}`, async (context) => {
    const blews = await startBlews({ options: ["--queue", "65536"] });
    const page = await openPage(blews, { address: `#/${view}` });
    for (let kept = 0; kept < MOST_ROWS * 1.4; kept += 500 * DETECTIONS) await blews.feed(...events(500));
    await feed(blews, 3);
    const last = async (name) => {
      await blews.feed(batch(name));
      if (view === "now") await shows(page, "main", new RegExp(name));
      else await until(async () => (await page.locator(".tools select").first().innerText()).includes(name), name);
    };
    await last("pi-first-mark");
    const before = await used(page);
    await feed(blews, view === "live" ? SECONDS : SECONDS / 2);
    await last("pi-second-mark");
    const after = await used(page);
    context.diagnostic(`heap ${(before.heap / 1e6).toFixed(1)} to ${(after.heap / 1e6).toFixed(1)} MB, nodes ${before.nodes} to ${after.nodes}`);
    assert.ok(after.heap < before.heap * 1.15 + 3e6, `the heap grew from ${before.heap} to ${after.heap} bytes`);
    assert.ok(after.nodes < before.nodes * 1.2 + 500, `nodes: ${before.nodes} to ${after.nodes}`);
    assert.ok(after.listeners < before.listeners * 1.2 + 100, `listeners: ${before.listeners} to ${after.listeners}`);
    assert.equal(await page.locator("#missed").innerText(), "0");
    if (view === "live") await shows(page, "#kept", /^50,000 detections/);
  }, SECONDS);
}

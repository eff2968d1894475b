// The view "Now": what each Pi does, and what is said when nothing is known.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { batch, counts, detection, openPage, shows, startBlews, state, test, until } from "./harness.mjs";
import { lines, PIS, STEP_MS, store } from "./site.mjs";

const tile = (name) => `.tile:has(h3 a:text-is("${name}"))`;
const before = (minutes) => ({ timestamp: new Date(Date.now() - minutes * 60_000).toISOString() });

async function tileState(page, name, wanted) {
  await until(async () => await page.locator(tile(name)).getAttribute("data-state") === wanted, async () => `${name} to be ${wanted}; it is ${await page.locator(tile(name)).getAttribute("data-state")}`);
}

test("a socket alone is not taken for something heard, and the page says what to do", async () => {
  const blews = await startBlews();
  const page = await openPage(blews);
  await state(page, /^nothing_yet$/);
  await shows(page, "main", /No Pi has sent anything yet\.[^]*blescan \| blesend[^]*blesub[^]*blescan --doctor/);
  await page.goto(`${blews.url}#/live`);
  await shows(page, "main", /No Pi has sent anything yet\./);
  await blews.feed(batch("pi-hall"));
  await state(page, /^receiving$/);
  await shows(page, "main", /pi-hall/);
});

test("each Pi has a tile with what it hears, its clock and how long it listens", async () => {
  const blews = await startBlews();
  const page = await openPage(blews);
  await blews.feed(batch("pi-hall", [detection(1, -50), detection(2, -70), detection(3, -90), detection(4, -91)], { name: "The hall", location: "Ground floor" }),
                   batch("pi-lab", [], { clock: "unsynced", window_ms: 30000 }));
  await counts(page, ".tile", 2);
  await shows(page, tile("The hall"), /listening[^]*pi-hall · Ground floor[^]*1 near\s*1 medium\s*2 far[^]*33 %[^]*set[^]*−50 dBm/);
  await shows(page, tile("pi-lab"), /listening[^]*0 near\s*0 medium\s*0 far[^]*100 %[^]*not set/);
  await shows(page, ".summary", /2 Pis · 2 listening\. All are listening\./);
});

test("late, silent, sending old batches and not known are told apart", async () => {
  const blews = await startBlews();
  await blews.feed(batch("pi-late", undefined, before(3)), batch("pi-silent", undefined, before(90)),
                   batch("pi-unset", undefined, { ...before(3), clock: "unsynced" }));
  const page = await openPage(blews);
  await tileState(page, "pi-late", "late");
  await tileState(page, "pi-silent", "silent");
  await shows(page, tile("pi-silent"), /silent since .*\(1 h\)/);
  await tileState(page, "pi-unset", "unknown");
  await shows(page, tile("pi-unset"), /not heard since you opened this page/);
  await blews.feed(batch("pi-behind", undefined, before(30)));
  await tileState(page, "pi-behind", "behind");
  await shows(page, tile("pi-behind"), /newest batch is 30 min old/);
  await shows(page, ".summary", /Silent: pi-silent \(1 h\)/);
});

test("connected is not green when every Pi is silent", async () => {
  const blews = await startBlews();
  await blews.feed(batch("pi-silent", undefined, before(90)));
  const page = await openPage(blews);
  await state(page, /^quiet$/);
  await shows(page, "#connection", /connected, nothing for 1 h/);
});

test("a batch that is late itself does not stand for the present", async () => {
  const blews = await startBlews();
  const page = await openPage(blews);
  await blews.feed(batch("pi-hall", [detection(1, -50)]), batch("pi-hall", [detection(1, -90), detection(2, -90)], before(10)), batch("pi-lab"));
  await counts(page, ".tile", 2);
  await shows(page, tile("pi-hall"), /1 near\s*0 medium\s*0 far/);
  await tileState(page, "pi-hall", "listening");
});

test("batches of one window and run add up", async () => {
  const blews = await startBlews();
  const page = await openPage(blews);
  const window = before(0);
  await blews.feed(batch("pi-hall", [detection(1, -50)], window), batch("pi-hall", [detection(2, -51)], window),
                   batch("pi-count", [], { ...window, occupancy: { near: 2, medium: 3, far: 4 } }),
                   batch("pi-count", [], { ...window, occupancy: { near: 1, medium: 0, far: 0 } }));
  await shows(page, tile("pi-hall"), /2 near/);
  await shows(page, tile("pi-count"), /3 near\s*3 medium\s*4 far/);
});

test("batches that tell no time do not add up", async () => {
  const blews = await startBlews();
  const page = await openPage(blews);
  for (let i = 0; i < 3; i++) await blews.feed(batch("pi-timeless", [detection(1, -50), detection(2, -51)], { timestamp: undefined }));
  await blews.feed(batch("pi-last", [detection(1, -50)]));
  await counts(page, ".tile", 2);
  await shows(page, tile("pi-timeless"), /2 near\s*0 medium\s*0 far/);
});

test("an advertiser counts once, at the place where it is strongest, and silent Pis do not count", async () => {
  const blews = await startBlews();
  await blews.feed(batch("pi-gone", [detection(9, -40)], { location: "Cellar", ...before(90) }));
  const page = await openPage(blews);
  await blews.feed(batch("pi-1", [detection(1, -50), detection(2, -80)], { location: "Hall" }), batch("pi-2", [detection(1, -70), detection(2, -65)], { location: "Lab" }));
  await counts(page, ".places tbody tr", 3);
  await shows(page, ".places tbody", /Cellar\s+0 \/ 1\s+–\s+–\s+–\s+Hall\s+1 \/ 1\s+1\s+0\s+0\s+Lab\s+1 \/ 1\s+0\s+1\s+0/);
});

test("losses and two of one name are told", async () => {
  const blews = await startBlews();
  const page = await openPage(blews);
  await blews.feed(batch("pi-hall"), { format: 1, device_id: "pi-hall", run_id: "r", gap: { from_seq: 17, to_seq: 23, reason: "buffer_full" } },
                   { type: "two_at_once_event", data: { device_id: "pi-hall", run_ids: ["a", "b"], timestamp: new Date().toISOString() } });
  await shows(page, tile("pi-hall"), /7 batches lost \(buffer_full\); two Pis use this name/);
});

test("the line of the last hour is broken where nothing is known", async () => {
  const blews = await startBlews();
  const page = await openPage(blews);
  await blews.feed(...[40, 39, 38, 10, 9, 8, 0].map((minutes) => batch("pi-hall", [detection(1), detection(2)], before(minutes))));
  await shows(page, tile("pi-hall"), /2 medium/);
  await until(async () => /^M[^M]+M[^M]+M[^M]+$/.test(await page.locator(`${tile("pi-hall")} path:not(.past)`).getAttribute("d")), "a line of three stretches");
  assert.match(await page.locator(`${tile("pi-hall")} .line title`).textContent(), /7 of 60 minutes known, at most 2/);
});

test("tiles are renewed in place, and lead to the Pi's detections", async () => {
  const blews = await startBlews();
  const page = await openPage(blews);
  await blews.feed(batch("pi-hall", [detection(1)]), batch("pi-lab"));
  await counts(page, ".tile", 2);
  const kept = await page.locator(tile("pi-hall")).elementHandle();
  await page.locator(`${tile("pi-hall")} .state`).selectText();
  await blews.feed(batch("pi-attic"), batch("pi-hall", [detection(1), detection(2)]));
  await shows(page, tile("pi-hall"), /2 medium/);
  await counts(page, ".tile", 3);
  assert.ok(await kept.evaluate((element) => element.isConnected && element.querySelector("h3").textContent === "pi-hall"));
  assert.equal(await page.evaluate("getSelection().toString()"), "listening");
  await page.locator(`${tile("pi-hall")} a`).click();
  await shows(page, "#kept", /3 of 5 detections/);
  assert.match(page.url(), /#\/live\?device=pi-hall$/);
});

// A day of six Pis that ended `minutes` ago.
async function stored(folder, minutes) {
  const end = Math.floor((Date.now() - minutes * 60_000) / STEP_MS) * STEP_MS;
  return store(join(folder, "day.db"), lines(end - 15 * 3600_000, 1, PIS, end));
}

test("the database adds the Pis that blews has not heard, with no numbers of theirs, and the last hour", async () => {
  const folder = mkdtempSync(join(tmpdir(), "blepipe-now-"));
  try {
    const blews = await startBlews({ options: ["--db", await stored(folder, 0)] });
    const page = await openPage(blews);
    await counts(page, ".tile", 6);
    await shows(page, tile("pi-cafe"), /– near\s*– medium\s*– far/);
    await until(async () => await page.locator(".tile .past:not([d='M0 0'])").count() === 6, "a line of the last hour for each");
    assert.match(await page.locator(`${tile("pi-cafe")} .strip title`).textContent(), /listening for 5\d min/);
    assert.match(await page.locator(".places tr:has-text('Workshop') title").textContent(), /in each five minutes of the last hour: at most \d\d/);
    await blews.feed(batch("pi-cafe", [detection(1, -50)], { location: "Café" }));
    await shows(page, tile("pi-cafe"), /1 near\s*0 medium\s*0 far/);
    await page.locator(".places a", { hasText: "Workshop" }).click();
    await shows(page, ".place-chart", /Workshop/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("each of 60 Pis has its line of the last hour, by a few questions", async () => {
  const folder = mkdtempSync(join(tmpdir(), "blepipe-now-"));
  try {
    const begin = Math.floor(Date.now() / STEP_MS) * STEP_MS - 10 * STEP_MS, pis = Array.from({ length: 60 }, (_, n) => `pi-${n}`);
    const minutesOf = (id) => Array.from({ length: 45 }, (_, minute) => batch(id, Array.from({ length: 1 + minute % 4 }, (__, n) => detection(n)),
      { timestamp: new Date(begin + minute * 60_000).toISOString(), interval_ms: 60_000, location: "Hall", seq: minute }));
    const db = await store(join(folder, "sixty.db"), pis.map((id) => `${minutesOf(id).map((one) => JSON.stringify(one)).join("\n")}\n`));
    const asked = [];
    const page = await openPage(await startBlews({ options: ["--db", db] }), { prepare: (tab) => tab.on("request", (request) => asked.push(request.url())) });
    await counts(page, ".tile", 60);
    await counts(page, ".tile .past:not([d='M0 0'])", 60);
    assert.ok(asked.filter((url) => url.includes("/api/v1/")).length <= 4, asked.join("\n"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

// In the page's own modules, with a clock of the test's.
const inSeen = (page, body) => page.evaluate(`import("./seen.js").then(({ Seen, condition }) => {
  let now = Date.UTC(2026, 0, 1);
  const seen = new Seen(() => now), at = (time) => new Date(time).toISOString();
  ${body}
})`);

test("a Pi that only the database knows is as the newest answer says", async () => {
  const page = await openPage(await startBlews());
  const [states, heard, ids] = await inSeen(page, `
    const know = (state, ago) => seen.know([{ device_id: "pi", state, last_heard: at(now - ago) }]), is = () => condition(seen.pis.get("pi"), now), states = [];
    const minutes = (n) => n * 60_000;
    know("listening", minutes(8)); states.push(is());
    now += minutes(4); know("listening", 0); states.push(is());
    now += minutes(4); states.push(is());
    now += minutes(2); states.push(is());
    know("silent", minutes(10)); states.push(is());
    seen.take({ type: "detection_event", data: { device_id: "pi", timestamp: at(now), detections: [] } }, { live: true });
    know("silent", minutes(10)); states.push(is());
    seen.know([{ device_id: "other", state: "listening", last_heard: at(now) }]);
    const heard = [...seen.pis.values()].map(({ heard }) => heard);
    seen.know([{ device_id: "other", state: "gone", last_heard: at(now) }]);
    return [states, heard, [...seen.pis.keys()]];`);
  assert.deepEqual(states, ["listening", "listening", "listening", "unknown", "silent", "listening"]);
  assert.deepEqual(heard, [true, false]);
  assert.deepEqual(ids, ["pi"]);
});

test("what only the database knows is not called received", async () => {
  const page = await openPage(await startBlews({ options: ["--db", "/nonexistent/ble.db"] }), { expected: /status of 503/ });
  const rows = [{ device_id: "pi-slow", state: "listening", last_heard: new Date(Date.now() - 8 * 60_000).toISOString() }];
  await page.route("**/api/v1/**", (route) => route.fulfill({ json: { rows: route.request().url().includes("/pis?") ? rows : [] } }));
  await page.reload();
  await tileState(page, "pi-slow", "listening");
  await state(page, /^nothing_yet$/);
});

test("losses that are told again after a lost connection count once", async () => {
  const page = await openPage(await startBlews());
  const lost = await inSeen(page, `
    for (let time = 0; time < 2; time++)
      for (let n = 0; n < 64; n++) seen.take({ type: "gap_event", data: { device_id: "pi", run_id: "r", gap: { from_seq: 2 * n, to_seq: 2 * n, reason: "expired" } } }, { live: time === 0 });
    return seen.pis.get("pi").lost;`);
  assert.equal(lost, 64);
});

test("without a database there is no column of the last hour, and no question", async () => {
  const blews = await startBlews();
  const page = await openPage(blews);
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await blews.feed(batch("pi-hall", [detection(1)], { location: "Hall" }));
  await shows(page, ".places tbody", /Hall/);
  assert.ok(await page.locator(".places .hour").first().isHidden());
  assert.deepEqual(asked.filter((url) => url.includes("/api/")), []);
});

test("a database that cannot be read is told of, and takes nothing from what is live", async () => {
  const blews = await startBlews({ options: ["--db", "/nonexistent/ble.db"] });
  const page = await openPage(blews, { expected: /status of 503/ });
  await shows(page, "main", /There is no answer of the database\. The database cannot be asked for now; this page tries again by itself\. The server says: .*ble\.db.* blews has been given no batch/);
  await blews.feed(batch("pi-hall", [detection(1)]));
  await shows(page, tile("pi-hall"), /1 medium/);
  await shows(page, ".said", /^The database cannot be asked for now; this page tries again by itself\. The server says: .*ble\.db/);
});

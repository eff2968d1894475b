// The views of what is stored, with a month of six Pis: what they show, ranges of time, zoom, filters, search, files.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { batch, counts, detection, openPage, shows, startBlews, test, until } from "./harness.mjs";
import { month, store, TROLLEY } from "./site.mjs";

const THREE_DAYS = "since=2026-10-27T00:00:00Z&until=2026-10-30T00:00:00Z";
const WEEK = "since=2026-10-19T00:00:00Z&until=2026-10-26T00:00:00Z";
const NOON = "since=2026-10-28T12:00:00Z&until=2026-10-28T12:15:00Z";

async function open(address, context = {}) {
  const blews = context.blews ?? await startBlews({ options: ["--db", await month()] });
  const page = await openPage(blews, { address, ...context });
  await page.locator(".history:not([hidden])").waitFor();
  return page;
}

// Of the address, as the page has it now.
const param = async (page, name) => new URLSearchParams((await page.evaluate("location.hash")).split("?")[1]).get(name);
const api = (page, question) => page.evaluate(`fetch("api/v1/${question}").then((reply) => reply.json())`);
// What a chart was given to draw: Chart.js knows it by its canvas.
const drawn = (page, what) => until(() => page.evaluate(`globalThis.Chart?.getChart(document.querySelector("canvas"))?.${what}`), `a chart with ${what}`);

test("one advertiser: its RSSI at each Pi, first and last, and when a Pi could not have heard it", async () => {
  const page = await open(`#/advertiser?hash=${TROLLEY.slice(0, 10)}&${THREE_DAYS}`);
  await shows(page, ".who", new RegExp(`${TROLLEY}[^]*first heard between 27 Oct, 00:00 and 01:00 last heard between 29 Oct, 23:00 and 30 Oct, 00:00 strongest −4\\d dBm at pi-[^]*Pis 6`));
  assert.deepEqual((await drawn(page, "data.datasets.map(({ label }) => label)")).sort(), ["pi-cafe", "pi-entrance", "pi-reading-1", "pi-reading-2", "pi-workshop", "pi-workshop-2"]);
  const shades = await drawn(page, "options.shades");
  const off = shades.find(({ until: end, from }) => end - from > 12 * 3600_000);
  assert.deepEqual([off.from, off.until].map((at) => new Date(at).toISOString().slice(0, 13)), ["2026-10-27T13", "2026-10-28T08"], "the night in which pi-cafe was off");
  const { rows } = await api(page, `track?hash=${TROLLEY}&${THREE_DAYS}&every=1h&limit=10000`);
  const not = rows.filter(({ what }) => what !== "heard");
  assert.deepEqual(shades.map(({ from }) => from).sort(), not.map(({ from }) => Date.parse(from)).sort(), "all times in which a Pi did not listen");
  await counts(page, ".lane-list li", 6);
  for (const what of ["silent", "gap"]) assert.equal(await page.locator(`.lane .${what}`).count(), not.filter((row) => row.what === what).length);
  assert.equal(await page.locator(".lane .gap").count(), 3);
  assert.match(await page.locator(".lane-list li:has-text('pi-cafe') svg").getAttribute("aria-label"), /pi-cafe: heard in \d+ detections; for 1\d h it did not listen/);
  await shows(page, "main", /Silence is not absence/);
  await shows(page, ".legend", /a Pi did not listen/);
  await page.locator(".behind summary").click();
  await counts(page, ".behind tbody tr", rows.length);
  await shows(page, ".behind tbody tr:has([data-kind=gap]) >> nth=0", /lost[^]*buffer_full/);
});

test("a line is broken where the advertiser was not heard", async () => {
  const page = await open(`#/advertiser?hash=${TROLLEY}&${THREE_DAYS}&device=pi-workshop`);
  assert.ok(await drawn(page, "data.datasets[0].data.some(({ y }) => Number.isNaN(y))"));
  await counts(page, ".lane-list li", 1);
});

test("dragging over a chart zooms in, the address says it, and back leads back", async () => {
  const page = await open(`#/advertiser?hash=${TROLLEY}&${THREE_DAYS}`);
  const { left, right } = await drawn(page, "chartArea");
  const box = await page.locator("canvas").boundingBox(), x = (part) => box.x + left + (right - left) * part;
  await page.mouse.move(x(1 / 3), box.y + 60);
  await page.mouse.down();
  await page.mouse.move(x(0.5), box.y + 80);
  assert.ok(await page.locator(".band").first().isVisible());
  await page.mouse.move(x(2 / 3), box.y + 80);
  await page.mouse.up();
    for (const [name, wanted] of [["since", "2026-10-28T00:00:00Z"], ["until", "2026-10-29T00:00:00Z"]])
    assert.ok(Math.abs(Date.parse(await param(page, name)) - Date.parse(wanted)) < 20 * 60_000, `${name}: ${await param(page, name)}`);
  await shows(page, ".who", /first heard between (27|28) Oct/);
  await page.goBack();
  assert.equal(await param(page, "since"), "2026-10-27T00:00:00Z");
  await shows(page, ".who", /first heard between 27 Oct, 00:00/);
  await page.locator("canvas").click();
  assert.equal(await param(page, "since"), "2026-10-27T00:00:00Z", "a click is no zoom");
});

test("keys move and zoom, on charts and on lanes, and the focus stays", async () => {
  const page = await open(`#/coverage?${THREE_DAYS}`);
  await page.locator(".lanes").focus();
  for (const [key, since, end] of [["+", "27T18:00", "29T06:00"], ["ArrowRight", "28T03:00", "29T15:00"], ["ArrowLeft", "27T18:00", "29T06:00"], ["-", "27T00:00", "30T00:00"]]) {
    await page.keyboard.press(key);
    assert.deepEqual([await param(page, "since"), await param(page, "until")], [`2026-10-${since}:00Z`, `2026-10-${end}:00Z`], key);
  }
  await shows(page, ".own summary", /27.*30 Oct 2026/);
  assert.ok(await page.locator(".lanes").evaluate((lanes) => lanes === document.activeElement));
  assert.match(await page.locator(".lanes").getAttribute("aria-label"), /arrows left and right move, plus and minus zoom/);
});

test("dragging over the lanes zooms in", async () => {
  const page = await open(`#/coverage?${THREE_DAYS}`);
  const box = await page.locator(".axis").boundingBox();
  await page.mouse.move(box.x, box.y - 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 3, box.y - 20);
  await page.mouse.up();
  assert.match(await param(page, "until"), /^2026-10-(27T23|28T00)/, "the first of three days");
});

test("ranges of time: the last hours, earlier, later, longer, from one time to another", async () => {
  const page = await open(`#/coverage?${THREE_DAYS}`);
  const press = (name) => page.locator(".picker").getByRole("button", { name, exact: true }).click();
  await press("Earlier");
  assert.equal(await param(page, "since"), "2026-10-24T00:00:00Z");
  await press("Later");
  await press("A longer time");
  assert.deepEqual([await param(page, "since"), await param(page, "until")], ["2026-10-25T12:00:00Z", "2026-10-31T12:00:00Z"]);
  await page.locator(".own summary").click();
  await page.getByLabel("from", { exact: true }).fill("2026-10-13T18:00");
  await page.getByLabel("to", { exact: true }).fill("2026-10-13T12:00");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  assert.equal(await param(page, "since"), "2026-10-25T12:00:00Z", "an end before the beginning is refused");
  await page.getByLabel("to", { exact: true }).fill("2026-10-14T00:00");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  assert.equal(await param(page, "since"), "2026-10-13T18:00:00Z");
  await counts(page, ".lane .silent", 1);
  await press("7 days");
  assert.equal(await param(page, "since"), "7d");
  assert.equal(await param(page, "until"), null);
  assert.equal(await page.locator(".segments [aria-pressed=true]").innerText(), "7 days");
  await page.goBack();
  await counts(page, ".lane .silent", 1);
});

test("the range goes along from view to view, and an address opens the same again", async () => {
  const page = await open(`#/coverage?${THREE_DAYS}&device=pi-cafe`);
  await counts(page, ".lane-list li", 1);
  const before = await page.locator("main").innerText();
  await page.reload();
  await until(async () => await page.locator("main").innerText() === before, "the same again");
  await page.locator("nav a", { hasText: "Occupancy" }).click();
  await shows(page, ".own summary", /27.*30 Oct 2026/);
  assert.equal(await param(page, "device"), null);
});

test("coverage: listening, silent and lost with its reason, and what is missing", async () => {
  const page = await open("#/coverage?since=2026-10-20T00:00:00Z&until=2026-10-31T00:00:00Z");
  await shows(page, ".summary", /6 Pis · they listened 9\d\.\d % of the time · 54 batches are missing/);
  await counts(page, ".lane-list li", 6);
  assert.match(await page.locator(".lane-list li:has-text('pi-reading-2') svg").getAttribute("aria-label"), /silent for \d+ min, lost 3 h; buffer_full/);
  assert.match(await page.locator(".lane .silent title").first().textContent(), /silent: 2\d Oct.* – /);
  await shows(page, ".history section >> nth=1", /pi-entrance · Entrance 12 batches expired 29 Oct, 04:00 29 Oct, 04:55[^]*30 batches buffer_full/);
  await page.getByLabel("Pi", { exact: true }).selectOption("pi-entrance");
  await counts(page, ".lane-list li", 1);
  await shows(page, ".summary", /1 Pi · .* 12 batches are missing/);
  await page.getByLabel("Pi", { exact: true }).selectOption("pi-workshop-2");
  await shows(page, "main", /No batch of this time is missing/);
});

test("occupancy: a chart for each place, hours by weekdays, and a file", async () => {
  const page = await open(`#/occupancy?${WEEK}`);
  await counts(page, ".place-chart", 4);
  const { rows } = await api(page, `occupancy?${WEEK}&every=1h&limit=10000`);
  const most = Math.max(...rows.filter(({ location }) => location === "Reading room").map(({ advertisers }) => advertisers));
  await shows(page, ".place-chart >> nth=0", new RegExp(`Reading room at most ${most} \\(`));
  assert.equal(await drawn(page, "data.datasets.length"), 3);
  const noon = rows.filter(({ from }) => from === "2026-10-24T12:00:00.000Z").reduce((sum, { advertisers }) => sum + advertisers, 0);
  assert.equal(await page.locator(".heat tbody tr").nth(5).locator("td").nth(12).innerText(), String(noon), "Saturday, 12 o'clock");
  assert.match(await page.locator(".heat tbody tr").nth(5).locator("td").nth(12).getAttribute("title"), /^Sat 12–13: \d+ advertisers on average$/);
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV file" }).click()]);
  const lines = readFileSync(await file.path(), "utf8").split("\r\n");
  assert.equal(file.suggestedFilename(), "occupancy.csv");
  assert.equal(lines.length, rows.length + 2);
  assert.match(lines[0], /^\ufefffrom,until,location,near,medium,far,advertisers,pis,listened_s$/);
  await page.getByLabel("place", { exact: true }).selectOption("Café");
  await counts(page, ".place-chart", 1);
});

test("the times under a chart are midnights also where clocks change at midnight", async () => {
  const blews = await startBlews();
  const page = await openPage(blews, { timezoneId: "America/Santiago" });
  const texts = await page.evaluate(`import("./axis.js").then(({ ticks }) =>
    ticks(Date.parse("2026-09-04T04:00:00Z"), Date.parse("2026-09-10T03:00:00Z"), 8).map(({ at }) => new Date(at).toTimeString().slice(0, 5)))`);
  assert.deepEqual(texts, ["00:00", "00:00", "01:00", "00:00", "00:00", "00:00", "00:00"]);
});

test("hours are those of the viewer", async () => {
  const blews = await startBlews({ options: ["--db", await month()] });
  const saturday = (page, hour) => page.locator(".heat tbody tr").nth(5).locator("td").nth(hour).innerText();
  const utc = await open(`#/occupancy?${WEEK}`, { blews });
  const there = await open(`#/occupancy?${WEEK}`, { blews, timezoneId: "America/Santiago" });
  assert.equal(await saturday(there, 9), await saturday(utc, 12));
  await shows(there, ".own summary", /18 Oct 2026.*21:00.*25 Oct 2026.*21:00/);
});

test("a long time is asked in steps of a day, a short one of five minutes", async () => {
  const page = await open("#/occupancy?since=2026-08-01T00:00:00Z&until=2026-10-31T00:00:00Z");
  await shows(page, "main", /In steps of a day/);
  assert.ok(await page.locator(".heat").isHidden());
  await page.goto(page.url().replace(/#.*/, "#/occupancy?since=2026-10-24T00:00:00Z&until=2026-10-25T00:00:00Z"));
  await shows(page, "main", /In steps of five minutes/);
  await shows(page, ".heat tbody tr >> nth=5", /\d/);
});

test("where nobody listened there is no number", async () => {
  const page = await open("#/occupancy?since=2026-10-27T12:00:00Z&until=2026-10-28T12:00:00Z&place=Caf%C3%A9");
  assert.ok(await drawn(page, "data.datasets[0].data.some(({ y }) => Number.isNaN(y))"), "the area is broken");
  await counts(page, ".heat td.nobody", 7 * 24 - 24 + 18);
});

test("who is where: the strongest Pi of each, search by words in any order, and the way to one advertiser", async () => {
  const page = await open(`#/presence?${NOON}`);
  const { rows } = await api(page, `presence?${NOON}`);
  await shows(page, "#count", new RegExp(`^${rows.length} advertisers`));
  await counts(page, ".presence tbody tr", rows.length);
  await page.locator("#q").fill("near reading");
  const matching = rows.filter(({ zone, device_id: device }) => zone === "near" && device.includes("reading")).length;
  assert.ok(matching > 0);
  await counts(page, ".presence tbody tr", matching);
  await page.locator("#q").fill("READING near");
  await counts(page, ".presence tbody tr", matching);
  assert.equal(await param(page, "q"), "READING near");
  await page.locator("#q").fill("nothing of the kind");
  await shows(page, "#count", /^0 of \d+ advertisers match/);
  await page.locator("#q").fill("");
  await page.getByLabel("place", { exact: true }).selectOption("Workshop");
  await until(async () => !(await page.locator(".presence tbody").innerText()).includes("pi-cafe"), "those of the workshop");
  const hash = await page.locator(".presence td.advertiser").first().getAttribute("title");
  await page.locator(".presence td.advertiser a").first().click();
  await shows(page, ".who code", new RegExp(hash));
  assert.equal(await param(page, "since"), "2026-10-28T12:00:00Z");
});

test("zones that stand on each other are as high as all of them together", async () => {
  const page = await open(`#/occupancy?${WEEK}&place=Reading+room`);
  await drawn(page, "data.datasets.length");
  const { rows } = await api(page, `occupancy?${WEEK}&place=Reading+room&every=1h&limit=10000`);
  const highest = await page.evaluate(`(() => {
    const chart = Chart.getChart(document.querySelector("canvas"));
    return Math.max(...chart.getDatasetMeta(2).data.map(({ y }) => chart.scales.y.getValueForPixel(y)));
  })()`);
  assert.equal(Math.round(highest), Math.max(...rows.map(({ advertisers }) => advertisers)));
});

test("hours of the week are the viewer's, where they do not begin with those of UTC too", async () => {
  const { rows } = await api(await open(`#/coverage?${WEEK}`), `occupancy?${WEEK}&every=30m&limit=10000`);
  const page = await open(`#/occupancy?${WEEK}`, { timezoneId: "Asia/Kolkata" });
  const sums = new Map();
  for (const { from, advertisers } of rows) sums.set(from, (sums.get(from) ?? 0) + advertisers);
  for (const [day, hour] of [[0, 13], [1, 9], [4, 17]]) {
    const here = [...sums].filter(([from]) => {
      const date = new Date(Date.parse(from) + 330 * 60_000);
      return (date.getUTCDay() + 6) % 7 === day && date.getUTCHours() === hour;
    }).map(([, n]) => n);
    assert.equal(here.length, 2, "two half hours");
    await until(async () => (await page.locator(`.heat tbody tr >> nth=${day}`).locator("td").nth(hour).innerText()) === String(Math.round((here[0] + here[1]) / 2)), `the mean at ${day} ${hour}`);
  }
  await shows(page, "main", /The mean of the half hours[^]*in 30 minutes/);
  await shows(await open("#/occupancy?since=2026-10-01T00:00:00Z&until=2026-10-29T00:00:00Z", { timezoneId: "Asia/Kolkata" }), "main", /They are hours of UTC, which begin at other minutes/);
});

test("each step of the hours of the week lies in one hour of the viewer's", async () => {
  const blews = await startBlews();
  for (const [timezoneId, from, to, wanted] of [
    ["UTC", "2026-10-01", "2026-10-08", "1h"], ["America/Santiago", "2026-09-01", "2026-09-10", "1h"], ["Asia/Kolkata", "2026-10-01", "2026-10-08", "30m"],
    ["Asia/Kolkata", "2026-10-01", "2026-10-29", "1h"],
    ["Asia/Kathmandu", "2026-10-01", "2026-10-08", "15m"], ["Australia/Lord_Howe", "2026-07-01", "2026-07-08", "30m"],
    ["Australia/Lord_Howe", "2026-12-01", "2026-12-08", "1h"], ["Australia/Lord_Howe", "2026-10-01", "2026-10-08", "30m"]]) {
    const page = await openPage(blews, { timezoneId });
    const step = await page.evaluate(`import("./heatmap.js").then(({ stepWithin }) => stepWithin({ from: Date.parse("${from}"), to: Date.parse("${to}") }))`);
    assert.equal(step, wanted, `${timezoneId} from ${from}`);
  }
});

test("names and beacons are those that are stored, of up to an hour, and the page says of more that there are none", async () => {
  const folder = mkdtempSync(join(tmpdir(), "blepipe-names-"));
  try {
    const told = { local_name: "Book <b>trolley", beacon: { ibeacon: { uuid: "f7826da6-4fa2-4e98-8024-bc5b71e0893e", major: 7, minor: 1 } } };
    const db = await store(join(folder, "names.db"), [`${JSON.stringify(batch("pi-hall", [detection(1, -50, told), detection(2)]))}\n`]);
    const blews = await startBlews({ options: ["--db", db] });
    const page = await open("#/presence?q=trolley+f7826da6", { blews });
    await shows(page, ".presence tbody", /Book <b>trolley · ibeacon f7826da6 7\/1/);
    await counts(page, ".presence tbody tr", 1);
    assert.ok(await page.getByText("does not tell names and beacons").isHidden());
    await page.goto(`${blews.url}#/presence?since=6h`);
    await shows(page, "main", /Of more than an hour the database does not tell names and beacons/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("names and beacons are those that are told now, also when they come after the answer", async () => {
  const blews = await startBlews({ options: ["--db", await month()] });
  const page = await open(`#/presence?${NOON}`, { blews });
  await until(async () => (await page.locator(".presence tbody tr").count()) > 1, "the answer");
  await blews.feed(batch("pi-cafe", [detection(1, -50, { device_hash: TROLLEY, local_name: "Book trolley", beacon: { type: "ibeacon", minor: 7 } })]));
  await shows(page, ".presence tbody", /Book trolley · ibeacon 7/);
  await page.locator("input[type=search]").fill("trolley ibeacon");
  await counts(page, ".presence tbody tr", 1);
  await page.locator(".presence td.advertiser a").click();
  await shows(page, ".who", /Book trolley/);
});

test("one advertiser has the name and beacon that it told last within the time, or tells now", async () => {
  const folder = mkdtempSync(join(tmpdir(), "blepipe-told-"));
  try {
    const at = (hours) => new Date(Date.now() - hours * 3600_000).toISOString(), beacon = { eddystone_url: { url: "https://x/<i>" } };
    const heard = (hours, told) => batch("pi-hall", [detection(1, -50, { timestamp: at(hours), ...told })], { timestamp: at(hours), seq: 10 - hours });
    const lines = [heard(5, { local_name: "Book <img src=x onerror=\"window.harmed=1\">" }), heard(3, { local_name: "Trolley", beacon })];
    const db = await store(join(folder, "told.db"), lines.map((line) => `${JSON.stringify(line)}\n`));
    const blews = await startBlews({ options: ["--db", db] });
    const { device_hash: hash } = lines[0].detections[0];
    const page = await open(`#/advertiser?hash=${hash}&since=24h`, { blews });
    await shows(page, ".who .code", /Trolley · eddystone_url https:\/\/x\/<i>/);
    await shows(page, ".who", /as last told within this time/);
    await page.goto(`${blews.url}#/advertiser?hash=${hash}&since=${at(6)}&until=${at(4)}`);
    await shows(page, ".who .code", /Book <img src=x onerror="window.harmed=1">/);
    await blews.feed(batch("pi-hall", [detection(1, -50, { local_name: "New" })], { run_id: "new" }));
    await page.goto(`${blews.url}#/advertiser?hash=${hash}&since=7d`);
    await shows(page, ".who .code", / New · eddystone_url https:\/\/x\/<i>$/);
    await shows(page, ".who", /as last told within this time/);
    await blews.feed(batch("pi-hall", [detection(1, -50, { beacon: { eddystone_url: { url: "https://y/" } } })], { run_id: "newer" }));
    await shows(page, ".who .code", / New · eddystone_url https:\/\/y\/$/);
    await shows(page, ".who", /as told now/);
    await blews.feed(batch("pi-door", [detection(1, -50, { local_name: "Of the door" })]));
    await shows(page, ".who .code", / Of the door · /);
    await page.goto(`${blews.url}#/advertiser?hash=${hash}&since=7d&device=pi-hall`);
    await shows(page, ".who .code", / New · eddystone_url https:\/\/y\/$/);
    await page.goto(`${blews.url}#/advertiser?hash=${hash}&since=${at(6)}&until=${at(4)}`);
    await shows(page, ".who .code", /Book <img/);
    await shows(page, ".who", /as last told within this time/);
    assert.equal(await page.evaluate("window.harmed"), undefined);
    assert.equal(await page.locator(".who img").count(), 0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("an advertiser that told no name has none, and no word about it", async () => {
  const page = await open(`#/advertiser?hash=${TROLLEY}&${THREE_DAYS}`);
  assert.match(await page.locator(".who .code").innerText(), new RegExp(`^${TROLLEY}\\s*$`));
  assert.ok(await page.locator(".who .note").isHidden());
});

test("what is renewed keeps the rows, and a selection in them", async () => {
  const page = await open(`#/coverage?${THREE_DAYS}`);
  const kept = await page.locator(".history section").nth(1).locator("tbody tr").first().elementHandle();
  await page.locator("td.reason").first().selectText();
  const selected = await page.evaluate("getSelection().toString()");
  await page.locator(".picker").getByRole("button", { name: "A longer time", exact: true }).focus();
  await page.keyboard.press("Enter");
  await shows(page, ".summary", /54 batches/);
  await until(async () => (await page.locator(".own summary").innerText()).includes("31 Oct"), "the longer time");
  assert.ok(await kept.evaluate((row) => row.isConnected));
  assert.equal(await page.evaluate("getSelection().toString()"), selected);
});

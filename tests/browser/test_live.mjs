// The view "Live": search, what is kept, and that what one reads stands still.
import assert from "node:assert/strict";
import { batch, counts, detection, hash, openPage, shows, start, startBlews, test, until } from "./harness.mjs";

const rows = ".rows tbody tr[data-number]";
const firstRow = (page) => page.locator(rows).first();

async function opened(query = "", lines = []) {
  const blews = await startBlews();
  if (lines.length) await blews.feed(...lines);
  return { blews, page: await openPage(blews, { address: `#/live${query}` }) };
}

const two = () => [
  batch("pi-hall", [detection(1, -50, { local_name: "Küche" }), detection(2, -90)], { name: "Raspi 1", location: "Ground floor" }),
  batch("pi-lab", [detection(1, -58, { beacon: { type: "ibeacon", uuid: "f7826da6-4fa2-4e98-8024-bc5b71e0893e", major: 7 } }), detection(3, -70)], { location: "2nd floor" }),
];

test("search finds all words, in any field, and the address holds it", async () => {
  const { page } = await opened("", two());
  await counts(page, rows, 4);
  for (const [words, found] of [["pi-hall near", 1], ["NEAR  pi-hall", 1], ["near", 2], ["floor raspi", 2], ["küche", 1], ["f7826da6 lab", 1], [hash(3), 1], ["pi-hall medium", 0]]) {
    await page.locator("#q").fill(words);
    await counts(page, rows, found);
  }
  await shows(page, "main", /None of the detections kept here match\./);
  await page.locator("#q").fill("pi-hall near");
  await counts(page, rows, 1);
  assert.match(page.url(), /#\/live\?q=pi-hall\+near$/);
});

test("an address with a filter shows the same to whoever opens it", async () => {
  const { page } = await opened("?device=pi-lab&zone=near&q=ibeacon", two());
  await counts(page, rows, 1);
  assert.equal(await page.locator("#q").inputValue(), "ibeacon");
  assert.deepEqual(await page.locator("select").evaluateAll((all) => all.map((one) => one.value)), ["en", "pi-lab", "near"]);
  await page.getByLabel("zone", { exact: true }).selectOption("");
  await page.locator("#q").fill("");
  await counts(page, rows, 2);
  await page.getByLabel("Pi", { exact: true }).selectOption("pi-hall");
  await shows(page, rows, /Raspi 1[^]*Küche[^]*−50[^]*near/);
  assert.match(page.url(), /#\/live\?device=pi-hall$/);
});

test("minutes of fifty Pis are kept, and only what is in sight is in the document", async () => {
  const { blews, page } = await opened();
  for (let round = 0; round < 4; round++) {
    for (let pi = 0; pi < 50; pi++) await blews.feed(batch(`pi-${pi}`, Array.from({ length: 25 }, (_, n) => detection(round * 10000 + pi * 100 + n))));
  }
  await shows(page, "#kept", /^5,000 detections, kept since [\d:]+; at most 15 min and 50,000$/);
  assert.ok(await page.locator(rows).count() < 100);
  await page.locator(".list").evaluate((list) => { list.scrollTop = list.scrollHeight; });
  await until(async () => await page.locator(`${rows} button[title="${hash(0)}"]`).count() === 1, "the oldest row");
  assert.ok(await page.locator(rows).count() < 100);
});

test("a selection stands while events come, and then the list goes on", async () => {
  const { blews, page } = await opened("", two());
  await counts(page, rows, 4);
  const kept = await firstRow(page).elementHandle();
  const selected = await firstRow(page).locator(".pi").innerText();
  await firstRow(page).locator(".pi").selectText();
  await blews.feed(batch("pi-hall", [detection(5, -50)]), batch("pi-lab", [detection(6, -50)]));
  await shows(page, "#newer", /2 newer/);
  assert.equal(await page.evaluate("getSelection().toString()"), selected);
  assert.ok(await kept.evaluate((row) => row.isConnected));
  await counts(page, rows, 4);
  await page.locator("#newer").click();
  await counts(page, rows, 6);
  assert.ok(await kept.evaluate((row) => row.isConnected), "the row is still the same element");
  assert.equal(await firstRow(page).locator("button").getAttribute("title"), hash(6));
});

test("pause holds the list, and going on shows what came", async () => {
  const { blews, page } = await opened("", two());
  await counts(page, rows, 4);
  await page.locator("#pause").click();
  await blews.feed(batch("pi-hall", [detection(5), detection(6), detection(7)]));
  await shows(page, "#newer", /3 newer/);
  await counts(page, rows, 4);
  assert.equal(await page.locator("#pause").innerText(), "Go on");
  await page.locator("#pause").click();
  await counts(page, rows, 7);
  assert.ok(await page.locator("#newer").isHidden());
});

test("whoever has scrolled down is left there", async () => {
  const { blews, page } = await opened("", [batch("pi-hall", Array.from({ length: 200 }, (_, n) => detection(n)))]);
  await shows(page, "#kept", /^200 detections/);
  await page.locator(".list").evaluate((list) => { list.scrollTop = 1000; });
  await until(() => page.locator("#newer").isVisible(), "the way back");
  const seen = await page.locator(rows).allInnerTexts();
  await blews.feed(batch("pi-hall", [detection(900), detection(901)]));
  await shows(page, "#newer", /2 newer/);
  assert.deepEqual(await page.locator(rows).allInnerTexts(), seen);
  await page.locator("#newer").click();
  await until(async () => await firstRow(page).locator("button").getAttribute("title") === hash(901), "the newest row on top");
});

test("an advertiser that is picked stays so, with the Pis that hear it, the strongest first", async () => {
  const { blews, page } = await opened("", two());
  await page.locator(`${rows} button[title="${hash(1)}"]`).first().click();
  await shows(page, ".picked.card", /pi-lab −58 dBm/);
  await shows(page, ".picked.card", new RegExp(`${hash(1)}[^]*Raspi 1 −50 dBm.*, pi-lab −58 dBm`));
  await counts(page, ".rows tr.picked", 2);
  await blews.feed(batch("pi-lab", [detection(1, -41), detection(4)]));
  await shows(page, ".picked.card", /pi-lab −41 dBm.*, Raspi 1 −50 dBm/);
  await counts(page, ".rows tr.picked", 3);
  await page.getByLabel("Language").selectOption("es");
  await counts(page, ".rows tr.picked", 3);
  await page.getByText("Ver solo este").click();
  await counts(page, rows, 3);
  await page.getByText("Cerrar").click();
  await counts(page, ".rows tr.picked", 0);
});

test("losses are listed, once", async () => {
  const gap = (to_seq) => ({ format: 1, device_id: "pi-hall", run_id: "r", gap: { from_seq: 3, to_seq, reason: "expired" } });
  const { blews, page } = await opened("", [gap(5)]);
  await blews.feed(gap(5), gap(9));
  await counts(page, "main li", 2);
  await shows(page, "main li", /pi-hall: batches 3 to 9 lost \(expired\)[^]*3 to 5/);
});

test("the real chain: a recording, stored, is on the page", async () => {
  const { blews, page } = await opened();
  const ingest = start("bleingest", ["--db", "ble.db"]);
  const scan = start("blescan", ["--replay", `${process.env.BLEPIPE_SOURCE}/examples/sample.btsnoop`, "--now", "--detail", "--names", "--device-id", "pi-sample"]);
  scan.stdout.pipe(ingest.stdin);
  ingest.stdout.pipe(blews.stdin, { end: false });
  await shows(page, "#kept", /^[1-9]\d* detections/);
  await page.locator("#q").fill("pi-sample küche");
  await shows(page, rows, /Küche/);
});

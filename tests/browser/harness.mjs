// What the tests in a browser share: a blews of their own that is fed with batches, Chromium, and conditions with a deadline.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, test as nodeTest } from "node:test";

const { BLEPIPE_BIN, BLEPIPE_SOURCE } = process.env;
const fetched = createRequire(join(BLEPIPE_SOURCE, "build", "browser", "package.json"));  // tests/browser/prepare
export const { chromium } = fetched("playwright-core");
const axe = readFileSync(fetched.resolve("axe-core/axe.min.js"), "utf8");

export const DEADLINE_MS = 60_000;

export async function until(condition, what, deadline = DEADLINE_MS) {
  const end = Date.now() + deadline;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < end, `waited ${deadline / 1000} s in vain for ${typeof what === "function" ? await what() : what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

const ending = [];  // what the test that runs has to end, the newest first
afterEach(async () => {
  while (ending.length) await ending.pop()();
});

function toolEnvironment() {
  const own = /^(MQTT_|HTTP_|BLEPIPE_|DEVICE_|SCAN_|LOG_LEVEL|NOTIFY_SOCKET|CREDENTIALS_DIRECTORY|STATE_DIRECTORY)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
}

// A program of the build under test. `folder`: its own, and gone with it.
export function start(name, argv, { folder = mkdtempSync(join(tmpdir(), "blepipe-")), ...options } = {}) {
  const child = spawn(join(BLEPIPE_BIN, name), argv, { cwd: folder, env: toolEnvironment(), stdio: ["pipe", "pipe", "pipe"], ...options });
  child.said = "";
  child.stderr?.on("data", (text) => { child.said += text; });
  child.stdin?.on("error", () => {});  // it ended before it had read all
  const gone = new Promise((resolve) => child.on("exit", resolve));
  child.end = async () => {
    child.kill("SIGKILL");
    await gone;
    rmSync(folder, { recursive: true, force: true });
  };
  ending.push(child.end);
  return child;
}

export async function startBlews({ port = 0, options = [] } = {}) {
  const blews = start("blews", ["--port", String(port), "--stay", "--stats-update", "1", ...options]);
  const [, url] = await until(() => {
    assert.equal(blews.exitCode, null, blews.said);
    return /listening on (\S+)/.exec(blews.said);
  }, () => `blews to listen; it said: ${blews.said}`);
  blews.url = url;
  // Resolves when blews has been given all of it.
  blews.feed = (...lines) => new Promise((resolve) => blews.stdin.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(""), resolve));
  return blews;
}

export function hash(number) {
  return number.toString(16).padStart(8, "0").repeat(8);
}

export function detection(number, rssi = -67, more = {}) {
  return { device_hash: hash(number), rssi, zone: rssi >= -60 ? "near" : rssi >= -75 ? "medium" : "far", timestamp: new Date().toISOString(), count: 3, ...more };
}

let sequence = 0;
export function batch(device_id, detections = [detection(1)], more = {}) {
  return { format: 1, device_id, timestamp: new Date().toISOString(), run_id: "0123456789abcdef", seq: sequence++, window_ms: 10000, interval_ms: 30000,
           clock: "synced", hash_id: "a41c09d2", detections, ...more };
}

let browser = null;
after(async () => {
  await browser?.close();
});

// A tab of a browser of its own, at `address`. Whatever it complains of on its console fails the test, but for what `expected` matches.
// prepare(page): before it is loaded.
export async function openPage(blews, { address = "", expected = null, awaited = "#connection:not([data-state=connecting])", prepare = () => {}, ...context } = {}) {
  browser ??= await chromium.launch({ executablePath: "/usr/bin/chromium", chromiumSandbox: process.getuid() !== 0,
                                     args: ["--disable-dev-shm-usage", "--js-flags=--expose-gc"] });
  const tab = await browser.newContext({ locale: "en-GB", timezoneId: "UTC", viewport: { width: 1280, height: 800 }, ...context });
  const page = await tab.newPage();
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !expected?.test(message.text())) complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.stack}`));
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol !== "data:" && origin !== new URL(page.home).origin) complaints.push(`asked elsewhere: ${request.url()}`);
  });
  page.home = blews.url;
  ending.push(async () => {
    await tab.close();
    assert.deepEqual(complaints, []);
  });
  await prepare(page);
  await page.goto(blews.url + address.replace(/^\//, ""));
  await page.locator(awaited).waitFor();
  return page;
}

// Waits until the connection is shown so.
export async function state(page, wanted) {
  const chip = page.locator("#connection");
  return until(async () => wanted.test(await chip.getAttribute("data-state")), async () => `the state ${wanted}; it is ${await chip.innerText()}`);
}

// Waits until the text of what `selector` finds matches, with one blank for all white space.
export async function shows(page, selector, wanted) {
  const text = async () => (await page.locator(selector).allInnerTexts()).join(" ").replace(/\s+/g, " ");
  return until(async () => wanted.test(await text()), async () => `${selector} to show ${wanted}; it shows: ${await text()}`);
}

// Waits until so many are there.
export async function counts(page, selector, wanted) {
  const count = () => page.locator(selector).count();
  return until(async () => await count() === wanted, async () => `${wanted} of ${selector}; there are ${await count()}`);
}

export async function findsNothing(page) {
  const { violations } = await page.evaluate(`${axe};axe.run()`);
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`), []);
}

// A picture into build/pages, to be looked at.
export async function picture(page, name) {
  const folder = join(BLEPIPE_SOURCE, "build", "pages");
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

// `seconds`: how long it takes beside its waits, which have their deadlines.
export const test = (name, body, seconds = 0) => nodeTest(name, { timeout: 5 * DEADLINE_MS + seconds * 1000 }, body);

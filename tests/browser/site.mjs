// A made-up library with six Pis in four places, and a month of what they heard: the same each time, so that pictures can be compared.
// The days have visitors, staff and things that are always there; a Pi was off, another lost batches, one carries a name that means harm.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const { BLEPIPE_BIN, BLEPIPE_SOURCE } = process.env;
const OWN = fileURLToPath(import.meta.url);
const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
export const STEP_MS = 5 * MINUTE;

export const PIS = [["pi-entrance", "Entrance"], ["pi-reading-1", "Reading room"], ["pi-reading-2", "Reading room"],
                    ["pi-cafe", "Café"], ["pi-workshop", "Workshop"], ["pi-workshop-2", "Workshop"]].map(([id, location], i) => ({ id, location, x: [0, 14, 22, 34, 50, 56][i] }));
const SPOTS = [0, 16, 21, 34, 51, 55];  // where people stay, in metres along the building

function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = state + 0x6D2B79F5 >>> 0;
    let t = Math.imul(state ^ state >>> 15, 1 | state);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}

export const hashOf = (name) => createHash("sha256").update(name).digest("hex");
export const TROLLEY = hashOf("trolley");
const iso = (at) => new Date(at).toISOString();

// Who is in the building on a day, 0 is Sunday: {hash, from, to, x(at), power}.
function people(day, weekday, dice) {
  const list = [];
  const closed = weekday === 0;
  const stay = (name, from, to, x, power = -52) => list.push({ hash: hashOf(name), from, to, x, power });
  for (let n = 0; n < 22; n++) stay(`thing ${n}`, day, day + DAY, () => n * 2.7, -48);
  for (let n = 0; !closed && n < 14; n++) {
    const from = day + 7.5 * HOUR + dice() * HOUR, home = SPOTS[n % SPOTS.length];
    stay(`staff ${n}`, from, from + 8.5 * HOUR + dice() * HOUR, (at) => home + 4 * Math.sin(at / HOUR + n));
  }
  const visitors = closed ? 0 : Math.round((weekday === 6 ? 210 : 130) * (0.8 + 0.4 * dice()));
  for (let n = 0; n < visitors; n++) {
    const peak = [10.5, 13, 16.2][Math.floor(dice() * 3)];
    const from = day + Math.min(18, Math.max(9, peak + (dice() + dice() + dice() - 1.5) * 2.4)) * HOUR, long = (15 + dice() * dice() * 190) * MINUTE;
    const first = SPOTS[Math.floor(dice() * 6)], then = SPOTS[Math.floor(dice() * 4)];
    stay(`visitor ${day} ${n}`, from, Math.min(day + 19 * HOUR, from + long), (at) => at < from + 5 * MINUTE ? 0 : at < from + long / 2 ? first : then);
  }
  const hops = Array.from({ length: 24 }, () => SPOTS[Math.floor(dice() * 6)]);
  list.push({ hash: TROLLEY, from: day, to: day + DAY, power: -46,
              x: (at) => closed || (at - day) / HOUR < 8 || (at - day) / HOUR > 18 ? SPOTS[1] : hops[Math.floor((at - day) / (1.5 * HOUR))] });
  return list;
}

function detections(pi, at, present, dice) {
  const list = [];
  for (const one of present) {
    const rssi = Math.round(one.power - 1.55 * Math.abs(one.x(at) - pi.x) - 6 + (dice() + dice() - 1) * 7);
    if (rssi < -94) continue;
    list.push({ device_hash: one.hash, rssi, zone: rssi >= -60 ? "near" : rssi >= -75 ? "medium" : "far", timestamp: iso(at - dice() * 9000), count: 1 + Math.floor(dice() * 9) });
  }
  return list;
}

// Why a Pi says nothing at that time: "off", or the reason of a loss; empty: it is well. `day` counts from the beginning.
function trouble(id, day, hour) {
  if (id === "pi-cafe" && (day === 26 && hour >= 14 || day === 27 && hour < 9 || day === 12 && hour > 20)) return "off";
  if (id === "pi-workshop" && day % 7 === 3 && hour >= 2 && hour < 3.5) return "off";
  if (id === "pi-reading-2" && (day === 27 && hour >= 19 && hour < 21.5 || day === 28 && hour >= 1 && hour < 2)) return "buffer_full";
  if (id === "pi-entrance" && day === 28 && hour >= 4 && hour < 5) return "expired";
  return "";
}

// The lines of `days` days from `start` on, a Thursday, a day at a time; up to `end`.
export function* lines(start, days, pis = PIS, end = Infinity) {
  const dice = random(7), states = new Map(pis.map(({ id }) => [id, { seq: 0, run: 0, lost: null }]));
  for (let day = 0; day < days; day++) {
    const begin = start + day * DAY, present = people(begin, (4 + day) % 7, dice), out = [];
    for (let at = begin + STEP_MS; at <= Math.min(end, begin + DAY); at += STEP_MS) {
      const here = present.filter((one) => at > one.from && at <= one.to);
      for (const pi of pis) {
        const state = states.get(pi.id), why = trouble(pi.id, day, (at - begin) / HOUR);
        const run_id = `${hashOf(pi.id).slice(0, 12)}${String(state.run).padStart(4, "0")}`;
        if (why === "off") {
          if (state.seq) Object.assign(state, { run: state.run + 1, seq: 0 });
          continue;
        }
        if (why) {
          state.lost ??= { from_seq: state.seq, reason: why, from: iso(at) };
          Object.assign(state.lost, { to_seq: state.seq++, to: iso(at), clock: "synced" });
          continue;
        }
        if (state.lost) out.push({ format: 1, device_id: pi.id, run_id, gap: state.lost });
        state.lost = null;
        out.push({ format: 1, device_id: pi.id, location: pi.location, ...pi.more, version: "0.1.0", timestamp: iso(at), run_id, seq: state.seq++, window_ms: 10_000,
                   interval_ms: STEP_MS, clock: "synced", hash_id: "a41c09d2", detections: detections(pi, at, here, dice) });
      }
    }
    yield `${out.map((line) => JSON.stringify(line)).join("\n")}\n`;
  }
}

// Stores what `pieces` gives.
export async function store(db, pieces) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(BLEPIPE_|STATE_DIRECTORY|LOG_LEVEL)/.test(name)));
  const ingest = spawn(join(BLEPIPE_BIN, "bleingest"), ["--db", db, "--quiet", "--reject", "/dev/null"], { env, stdio: ["pipe", "ignore", "inherit"] });
  const gone = new Promise((resolve) => ingest.on("exit", resolve));
  for (const piece of pieces) if (!ingest.stdin.write(piece)) await new Promise((resolve) => ingest.stdin.once("drain", resolve));
  ingest.stdin.end();
  assert.equal(await gone, 0, "bleingest has stored all");
  return db;
}

const MONTH_FOLDER = join(BLEPIPE_SOURCE, "build", "browser", "month");
export const MONTH = { from: Date.UTC(2026, 9, 1), until: Date.UTC(2026, 9, 31), days: 30 };

// The database of that month: made once for each run, by the fixture, and again when this file or the schema changes. One of an earlier run has
// Pis that are silent, for their batches were received long ago.
export async function month() {
  const made = createHash("sha256").update(readFileSync(OWN)).update(readFileSync(join(BLEPIPE_BIN, "bleingest"))).digest("hex").slice(0, 12);
  const db = join(MONTH_FOLDER, `${made}.db`);
  if (existsSync(db)) return db;
  rmSync(MONTH_FOLDER, { recursive: true, force: true });
  mkdirSync(MONTH_FOLDER, { recursive: true });
  await store(`${db}.new`, lines(MONTH.from, MONTH.days));
  renameSync(`${db}.new`, db);
  return db;
}

if (process.argv[1] === OWN) {
  rmSync(MONTH_FOLDER, { recursive: true, force: true });
  await month();
}

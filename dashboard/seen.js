// What this page has seen: the Pis, their detections of the last minutes, losses. Bounded, whatever comes.
import { latestTold, milliseconds, plain } from "./format.js";
import { t } from "./words.js";

export const MOST_ROWS = 50_000;          // detections kept
export const MOST_AGE_MS = 15 * 60_000;   // and for so long
const MOST_PIS = 1000;                    // as many as blews tells of
const MOST_GAPS = 200;                   // more than blews tells again after a lost connection, or they would count again
const MOST_OF_A_WINDOW = 10_000;          // as bleingest takes in a batch; by a clock that stands still all windows are one
const LONGEST_TEXT = 300;
export const MINUTES = 60;

const zones = ["near", "medium", "far"];
const rssiOf = (detection) => Number.isFinite(detection.rssi) ? detection.rssi : null;
const zoneOf = (detection) => zones.includes(detection.zone) ? detection.zone : "";
const positive = (value) => Number.isFinite(value) && value > 0 ? value : null;

// The words in a value of any shape.
function words(value, depth = 0) {
  if (typeof value === "object" && value !== null && depth < 3)
    return Object.values(value).slice(0, 20).map((member) => words(member, depth + 1)).filter(Boolean).join(" ");
  return plain(value).slice(0, LONGEST_TEXT);
}

// A beacon is an object with a member for each kind that it is of. That name tells which numbers these are.
function beaconOf(value) {
  if (typeof value !== "object" || value === null) return words(value);
  const parts = Object.entries(value).slice(0, 20).map(([kind, frame]) => typeof frame === "object" ? [kind, words(frame)] : [words(frame)]);
  return parts.flat().filter(Boolean).join(" ").slice(0, LONGEST_TEXT);
}

export class Seen {
  // now(): the time, by the server's clock.
  constructor(now) {
    this.now = now;
    this.since = now();
    this.pis = new Map();   // by device_id, the one heard last at the end
    this.rows = [];         // of detections, oldest first; those before `first` are forgotten
    this.first = 0;
    this.next = 0;          // number of the next row; a row's number never changes
    this.gaps = [];         // newest first
    this.events = 0;
    this.detections = 0;
    this.lastEvent = null;  // when one came, as it happened
  }

  // `brief`: the whole event will follow; of its detections only the numbers are known.
  take({ type, data }, { live, brief = false }) {
    const handlers = { detection_event: this.batch, gap_event: this.gap, two_at_once_event: this.gap };
    if (!Object.hasOwn(handlers, type) || typeof data.device_id !== "string") return;
    if (live) {
      this.events++;
      this.lastEvent = this.now();
    }
    handlers[type].call(this, data, live, brief);
  }

  batch(data, live, brief) {
    const pi = this.pi(data.device_id);
    if (!pi.heard) Object.assign(pi, { heard: true, stored: null, at: null });
    const stamp = plain(data.timestamp), run = plain(data.run_id), seq = plain(data.seq);
    if (!live && !pi.brief && pi.stamp === stamp && pi.run === run && pi.seq === seq) return;  // what is current is told again after a lost connection
    const list = Array.isArray(data.detections) ? data.detections.filter((one) => typeof one === "object" && one !== null) : [];
    const now = this.now();
    const synced = data.clock !== "unsynced";
    const told = milliseconds(data.timestamp);
    // When it was heard: by its own clock if that is set and not ahead, else when it came, if it came as it happened.
    const at = synced && told !== null ? Math.min(told, now) : live ? now : null;
    if (live) pi.arrived = now;
    this.keepRows(pi, data, list, synced ? null : at, now);
    if (live) this.detections += list.length;
    if (synced && at !== null && pi.synced && pi.at !== null && at < pi.at) return this.count(pi, at, list.length);
    this.renew(pi, data, { list, at, stamp, run, seq, synced });
    pi.brief = brief;
    if (at !== null) this.count(pi, at, this.advertisers(pi));
  }

  // The Pi's newest batch. Several of one window and run are one.
  renew(pi, data, { list, at, stamp, run, seq, synced }) {
    const more = !pi.brief && run !== "" && stamp !== "" && pi.run === run && pi.stamp === stamp && pi.list.length < MOST_OF_A_WINDOW;
    pi.list = more ? pi.list.concat(list) : list;
    const told = typeof data.occupancy === "object" && data.occupancy !== null ? data.occupancy : null;
    if (told) pi.occupancy = Object.fromEntries(zones.map((zone) => [zone, (more && pi.occupancy?.[zone] || 0) + (positive(told[zone]) ?? 0)]));
    else if (!more) pi.occupancy = null;
    Object.assign(pi, { at, stamp, run, seq, synced, counted: true, clock: plain(data.clock), hashId: plain(data.hash_id), version: plain(data.version),
                        name: plain(data.name), place: plain(data.location), windowMs: positive(data.window_ms), intervalMs: positive(data.interval_ms) });
  }

  advertisers(pi) {
    return pi.occupancy ? zones.reduce((sum, zone) => sum + pi.occupancy[zone], 0) : pi.list.length;
  }

  pi(id) {
    let pi = this.pis.get(id);
    if (!pi) {
      pi = { id, name: "", place: "", list: [], occupancy: null, brief: false, at: null, arrived: null, synced: true, counted: false, heard: false, stored: null, lost: 0, reason: "",
             twoAtOnce: false, hour: new Map() };
      if (this.pis.size >= MOST_PIS) this.pis.delete(this.pis.keys().next().value);
    } else {
      this.pis.delete(id);
    }
    this.pis.set(id, pi);
    return pi;
  }

  // Pis that the database knows and that have not been heard here, so that nobody has counted: rows of the question "pis". How they are is
  // what the newest answer says.
  know(rows) {
    for (const row of rows) {
      const at = milliseconds(row.last_heard), known = this.pis.get(row.device_id);
      if (known?.heard || at === null) continue;
      if (row.state === "gone") {
        if (known?.stored) this.pis.delete(row.device_id);
        continue;
      }
      if (!known && this.pis.size >= MOST_PIS) continue;
      Object.assign(known ?? this.pi(row.device_id), { at: Math.min(at, this.now()), name: plain(row.name), place: plain(row.location), clock: plain(row.clock),
                                                       synced: row.clock !== "unsynced", stored: { state: plain(row.state), asked: this.now() } });
    }
  }

  // One minute of the last hour: the most that a batch in it had. Minutes without a batch are absent, not zero.
  count(pi, at, advertisers) {
    const minute = Math.floor(at / 60_000), oldest = Math.floor(this.now() / 60_000) - MINUTES;
    if (minute <= oldest) return;
    pi.hour.set(minute, Math.max(pi.hour.get(minute) ?? 0, advertisers));
    for (const known of pi.hour.keys()) if (known <= oldest) pi.hour.delete(known);
  }

  // `came`: the time of all, where the Pi's clock is not to be believed.
  keepRows(pi, data, list, came, now) {
    const name = plain(data.name), place = plain(data.location), hashId = plain(data.hash_id);
    const unset = data.clock === "unsynced";
    for (const one of list) {
      this.rows.push({
        number: this.next++, kept: now, at: unset ? came : milliseconds(one.timestamp ?? data.timestamp), pi: pi.id, piName: name || pi.id, place, hashId,
        hash: plain(one.device_hash), name: (plain(one.local_name) || plain(one.company)).slice(0, LONGEST_TEXT), beacon: beaconOf(one.beacon),
        address: plain(one.address), rssi: rssiOf(one), zone: zoneOf(one), count: Number.isInteger(one.count) ? one.count : null,
      });
    }
    this.forget(now);
  }

  forget(now = this.now()) {
    const { rows } = this;
    while (this.first < rows.length && (rows.length - this.first > MOST_ROWS || now - rows[this.first].kept > MOST_AGE_MS)) this.first++;
    if (this.first > MOST_ROWS / 4) {
      rows.splice(0, this.first);
      this.first = 0;
    }
  }

  // The rows from `number` on that are still kept, oldest first.
  rowsFrom(number) {
    const { rows, first } = this;
    if (first === rows.length) return [];
    return rows.slice(Math.max(first, number - rows[0].number));
  }

  kept() {
    return this.rows.length - this.first;
  }

  oldestRow() {
    return this.rows[this.first];
  }

  // The name and the beacon that each advertiser told last, by hash, as far as they are kept here. `device`: as this Pi heard it.
  told(device) {
    const told = new Map();
    for (const { hash, name, beacon, pi } of this.rowsFrom(0)) if ((name || beacon) && (!device || pi === device)) told.set(hash, latestTold(told.get(hash) ?? ["", ""], [name, beacon]));
    return told;
  }

  gap(data) {
    const gap = typeof data.gap === "object" && data.gap !== null ? data.gap : {};
    const entry = { pi: data.device_id, run: words(data.run_id ?? data.run_ids), twoAtOnce: Array.isArray(data.run_ids),
                    from: plain(gap.from_seq), to: plain(gap.to_seq), reason: plain(gap.reason) };
    const same = (other) => Object.keys(entry).every((name) => entry[name] === other[name]);
    if (this.gaps.some(same)) return;  // told again
    this.gaps = [entry, ...this.gaps].slice(0, MOST_GAPS);
    const pi = this.pi(data.device_id);
    if (entry.twoAtOnce) {
      pi.twoAtOnce = true;
      return;
    }
    const batches = gap.to_seq - gap.from_seq + 1;
    pi.lost += Number.isInteger(batches) && batches > 0 ? batches : 0;
    pi.reason = entry.reason;
  }
}

// All words must be in it, in any of the fields.
export function matcher({ device, zone, q }) {
  const wanted = (q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  return (row) => {
    if (device && row.pi !== device || zone && row.zone !== zone) return false;
    if (!wanted.length) return true;
    const text = `${row.pi} ${row.piName} ${row.place} ${row.hash} ${row.name} ${row.zone && `${row.zone} ${t(row.zone)}`} ${row.beacon} ${row.address}`.toLowerCase();
    return wanted.every((word) => text.includes(word));
  };
}

const LATE_INTERVALS = 3;
const SILENT_MS = 5 * 60_000;  // as the database says it: five minutes, and three of its intervals
const BEHIND_MS = 2 * 60_000;
const USUAL_INTERVAL_MS = 30_000;
const STORED_MS = 5 * 60_000;  // so long holds what the database said

// How a Pi is: "listening", "late", "silent", "behind" (it sends, but of before), "unknown" (told of before, by a clock that was not set; or
// the database knows it, and does not answer any more).
export function condition(pi, now) {
  if (pi.stored) return now - pi.stored.asked <= STORED_MS ? pi.stored.state : "unknown";
  if (pi.at === null) return "unknown";
  const late = LATE_INTERVALS * (pi.intervalMs ?? USUAL_INTERVAL_MS);
  const age = now - pi.at;
  if (pi.arrived !== null && now - pi.arrived < late && age > Math.max(late, BEHIND_MS)) return "behind";
  if (age > Math.max(late, SILENT_MS)) return "silent";
  return age > late ? "late" : "listening";
}

// How many are where now: [{place, pis, near, medium, far}], by the Pis that listen. Each advertiser counts where it is strongest.
export function places(pis, now) {
  const found = new Map(), strongest = new Map();
  for (const pi of pis) {
    if (!found.has(pi.place)) found.set(pi.place, { place: pi.place, pis: 0, all: 0, near: 0, medium: 0, far: 0 });
    const place = found.get(pi.place);
    place.all++;
    if (!["listening", "late"].includes(condition(pi, now)) || !pi.counted) continue;
    place.pis++;
    if (pi.occupancy) for (const zone of zones) place[zone] += pi.occupancy[zone];
    for (const one of pi.list) {
      const key = `${pi.hashId} ${plain(one.device_hash)}`, rssi = rssiOf(one) ?? -Infinity;
      if (zoneOf(one) && rssi >= (strongest.get(key)?.rssi ?? -Infinity)) strongest.set(key, { rssi, place, zone: zoneOf(one) });
    }
  }
  for (const { place, zone } of strongest.values()) place[zone]++;
  return [...found.values()].sort((a, b) => a.place.localeCompare(b.place));
}

export function zoneCounts(pi) {
  if (pi.occupancy) return pi.occupancy;
  const counts = { near: 0, medium: 0, far: 0 };
  for (const one of pi.list) if (zoneOf(one)) counts[zoneOf(one)]++;
  return counts;
}

// dBm; null: nothing with a level.
export function strongest(pi) {
  return pi.list.map(rssiOf).reduce((best, rssi) => rssi !== null && (best === null || rssi > best) ? rssi : best, null);
}

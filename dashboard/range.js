// A range of time, as an address has it: since=24h for one that ends now, since=… and until=… for one that stands. Times are milliseconds.

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const UNITS = { m: MINUTE, h: HOUR, d: DAY };
export const PRESETS = ["1h", "6h", "24h", "7d", "30d"];
const SHORTEST = 5 * MINUTE, LONGEST = 800 * DAY;

function lengthOf(text) {
  const found = /^(\d{1,4})([mhd])$/.exec(text ?? "");
  return found ? found[1] * UNITS[found[2]] : null;
}

function timeOf(text) {
  const at = Date.parse(/^\d{4}-\d\d-\d\d(T|$)/.test(text ?? "") ? text : "");
  return Number.isNaN(at) ? null : at;
}

export function textOf(at) {
  return new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
}

// {from, to, preset: "24h" of one that ends now, else "", asked: {since, until} as the API takes it}. `usual`: where the address has none.
export function rangeOf({ since, until }, usual, now) {
  const from = timeOf(since), to = timeOf(until) ?? now;
  if (from !== null && to - from >= SHORTEST) {
    const begin = Math.max(from, to - LONGEST);
    return { from: begin, to, preset: "", asked: { since: textOf(begin), until: textOf(to) } };
  }
  const length = lengthOf(since);
  const preset = length !== null && length >= SHORTEST && length <= LONGEST ? since : usual;
  return { from: now - lengthOf(preset), to: now, preset, asked: { since: preset } };
}

// What an address has of a range from one time to the other, not longer than may be and not in the future.
export function fixed(from, to, now) {
  const length = Math.min(LONGEST, Math.max(SHORTEST, Math.round(to - from)));
  const end = Math.min(now, Math.round((from + to + length) / 2));
  return { since: textOf(end - length), until: textOf(end) };
}

export function moved({ from, to }, part, now) {
  return fixed(from + (to - from) * part, to + (to - from) * part, now);
}

export function scaled({ from, to }, factor, now) {
  const middle = (from + to) / 2, half = (to - from) / 2 * factor;
  return fixed(middle - half, middle + half, now);
}

// The steps that are answered fast, as the API takes them: of five minutes, an hour, a day.
export function stepOf({ from, to }) {
  if (to - from <= 26 * HOUR) return "5m";
  return to - from <= 62 * DAY ? "1h" : "1d";
}

// How often what ends now is asked again.
export function renewal({ from, to, preset }) {
  if (!preset) return null;
  return to - from <= 6 * HOUR ? 30_000 : to - from <= DAY ? MINUTE : 5 * MINUTE;
}

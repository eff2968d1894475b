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

const possible = (length) => length >= SHORTEST && length <= LONGEST;

// {from, to, preset: "24h" of one that ends now, else "", asked: {since, until} as the API takes it, wrong: has the address one that cannot
// be}. `usual`: where the address has none. since=24h with an end: the 24 hours before it.
export function rangeOf({ since, until }, usual, now) {
  const begin = timeOf(since), end = timeOf(until), length = lengthOf(since || usual), to = end ?? now;
  const from = begin ?? (length === null ? NaN : to - length);
  if (!possible(to - from) || until && end === null)
    return { from: now - lengthOf(usual), to: now, preset: usual, asked: { since: usual }, wrong: true };
  if (begin !== null || end !== null) return { from, to, preset: "", asked: { since: textOf(from), until: textOf(to) }, wrong: false };
  return { from, to: now, preset: since || usual, asked: { since: since || usual }, wrong: false };
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

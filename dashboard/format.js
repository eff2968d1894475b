// From values to what is shown. Times are milliseconds since 1970.
import { locale, number, t } from "./words.js";

// A name is a string; anything else that stands in its place, an object for instance, is no reason to stop drawing.
export function plain(value) {
  return ["string", "number"].includes(typeof value) ? String(value) : "";
}

// What an advertiser told of itself, by a row of "presence" or "track": its name, or else its company, and its beacon.
export function toldBy(row) {
  return [plain(row.advertiser_name) || plain(row.company), plain(row.beacon)];
}

// The same of what was told later, where it was; a name and a beacon may come in advertisements of their own.
export function latestTold(earlier, later) {
  return earlier.map((part, i) => later?.[i] || part);
}

export function asTold(parts) {
  return parts.filter(Boolean).join(" · ");
}

export function milliseconds(text) {
  const time = Date.parse(plain(text));
  return Number.isNaN(time) ? null : time;
}

let formats = {};  // of `made`: to make one takes longer than to use it a hundred times
let made = "";

function format(name, options) {
  if (made !== locale()) {
    made = locale();
    formats = {};
  }
  formats[name] ??= new Intl.DateTimeFormat(made, options);
  return formats[name];
}

const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

const date = { month: "short", day: "numeric" }, minutes = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

// With the year unless it is the present one. `name`: of the format, whose options these are.
function dated(name, options, at, now = Date.now()) {
  const thisYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return (thisYear ? format(name, options) : format(`${name} of a year`, { year: "numeric", ...options })).format(at);
}

// In the viewer's zone; with the date unless it is of today.
export function time(at, now = Date.now()) {
  if (at === null || Number.isNaN(new Date(at).getTime())) return t("unknown");
  const sameDay = new Date(at).toDateString() === new Date(now).toDateString();
  return sameDay ? format("time", clock).format(at) : dated("day and time", { ...date, ...clock }, at, now);
}

export const day = (at) => dated("date", date, at);
export const clockTime = (at) => format("minutes", minutes).format(at);
export const moment = (at) => dated("moment", { ...date, ...minutes }, at);
export const rangeText = (from, to) => format("range", { year: "numeric", ...date, ...minutes }).formatRange(from, to);
// Monday first.
export const weekdays = () => Array.from({ length: 7 }, (_, i) => format("weekday", { weekday: "short", timeZone: "UTC" }).format(Date.UTC(2024, 0, 1 + i)));

export function zoneName() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
}

export function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

// A place of the database: a Pi's name, its location, or both.
export function placeOf({ name, location }) {
  return [plain(name), plain(location)].filter(Boolean).join(" · ");
}

export function dbm(rssi) {
  return rssi === null ? t("unknown") : number(rssi).replace("-", "−");
}

// Of 1. Only all is 100 % and only none is 0 %, however little is missing. `digits` behind the point.
export function percent(part, digits = 0) {
  const unit = 10 ** -digits, rounded = Math.round(part * 100 / unit) * unit;
  const shown = part > 0 && part < 1 ? Math.min(100 - unit, Math.max(unit, rounded)) : rounded;
  return number(Number(shown.toFixed(digits)));
}

// The times to write under a chart: whole minutes, hours or days of the viewer's zone.
import { clockTime, day } from "./format.js";

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const STEPS = [MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
               DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 365 * DAY];

// To the beginning of a day that is so many later. Where clocks change at midnight it is 1 o'clock, of that one day alone.
function toMidnight(date, days) {
  date.setDate(date.getDate() + days);
  date.setHours(0, 0, 0, 0);
}

// [{at, text}], at most `most`, from the first to the last.
export function ticks(from, to, most) {
  const step = STEPS.find((one) => (to - from) / one <= most) ?? STEPS.at(-1);
  const found = [];
  const next = new Date(from);
  next.setHours(0, 0, 0, 0);
  // Of days and the hours in them by the calendar, which knows days of 23 hours.
  while (next.getTime() <= to) {
    const begin = next.getTime();
    if (step >= DAY) {
      if (begin >= from) found.push({ at: begin, text: day(begin) });
      toMidnight(next, Math.round(step / DAY));
      continue;
    }
    toMidnight(next, 1);
    for (let at = begin; at < next.getTime() && at <= to; at += step) if (at >= from) found.push({ at, text: at === begin ? day(at) : clockTime(at) });
  }
  return found;
}

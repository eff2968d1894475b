// How many were there at which hour of which day of the week, in the viewer's zone: a table whose cells are coloured.
import { h, setAttribute, setText } from "./dom.js";
import { weekdays } from "./format.js";
import { number, t } from "./words.js";

const LEVELS = 8, HOURS = 24, DAY_MS = 86_400_000, LONGEST_MS = 9 * DAY_MS;
const twoDigits = (value) => String(value).padStart(2, "0");

// By how many minutes the viewer's hours begin before or after those of UTC, from the one time to the other: it may change when clocks do.
function shifts({ from, to }) {
  const times = [to];
  for (let at = from; at < to; at += DAY_MS) times.push(at);
  return times.map((at) => Math.abs(new Date(at).getTimezoneOffset()) % 60);
}

// The steps, as the API takes them, of which each lies in one hour of the viewer's. Of a long time these are hours of UTC in any case: of
// shorter steps the database keeps no numbers, and to count them takes too long.
export function stepWithin(range) {
  const minutes = shifts(range);
  if (range.to - range.from > LONGEST_MS || minutes.every((shift) => shift === 0)) return "1h";
  return minutes.every((shift) => shift % 30 === 0) ? "30m" : "15m";
}

export const noteOf = (range) => range.to - range.from > LONGEST_MS && shifts(range).some((shift) => shift !== 0) ? "shifted" : stepWithin(range);

// `samples`: [{at, value}], one for each step in which somebody listened, none longer than an hour. → 7 × 24 means; null where nobody did.
export function byHour(samples) {
  const cells = Array.from({ length: 7 }, () => Array.from({ length: HOURS }, () => ({ sum: 0, n: 0 })));
  for (const { at, value } of samples) {
    const date = new Date(at), cell = cells[(date.getDay() + 6) % 7][date.getHours()];
    cell.sum += value;
    cell.n++;
  }
  return cells.map((row) => row.map(({ sum, n }) => n ? sum / n : null));
}

export class HeatMap {
  constructor(label) {
    this.cells = Array.from({ length: 7 }, () => Array.from({ length: HOURS }, () => h("td", {}, h("span"))));
    const hours = Array.from({ length: HOURS }, (_, hour) => h("th", { scope: "col" }, h("span", {}, twoDigits(hour))));
    this.days = weekdays().map((name) => h("th", { scope: "row" }, name));
    this.element = h("table", { class: "heat", "aria-label": label },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "unseen" }, t("heat.day"))), ...hours)),
      h("tbody", {}, ...this.cells.map((row, day) => h("tr", {}, this.days[day], ...row))));
  }

  draw(samples) {
    const means = byHour(samples), most = Math.max(1, ...means.flat());
    means.forEach((row, day) => row.forEach((mean, hour) => {
      const cell = this.cells[day][hour], shown = mean === null ? t("unknown") : number(Math.round(mean * (mean < 10 ? 10 : 1)) / (mean < 10 ? 10 : 1));
      setAttribute(cell, "class", mean === null ? "nobody" : `level-${Math.ceil(mean / most * LEVELS)}`);
      const when = `${this.days[day].textContent} ${twoDigits(hour)}–${twoDigits(hour + 1)}`;
      setAttribute(cell, "title", `${when}: ${mean === null ? t("heat.nobody") : t("heat.mean", { n: shown })}`);
      setText(cell.firstChild, mean === null ? t("unknown") : number(Math.round(mean)));
    }));
  }
}

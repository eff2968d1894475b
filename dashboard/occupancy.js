// How many were at each place, over hours and weeks.
import { Legend, TimeChart } from "./chart.js";
import { download } from "./csv.js";
import { card, h, note, setAttribute, setText } from "./dom.js";
import { moment, placeOf, plain, span } from "./format.js";
import { HeatMap, noteOf, stepWithin } from "./heatmap.js";
import { HistoryView, MOST_ROWS, timed } from "./history.js";
import { stepOf } from "./range.js";
import { HiddenTable } from "./table.js";
import { number, t } from "./words.js";

const ZONES = ["near", "medium", "far"];
const MOST_CHARTS = 12;  // places, those with the most first

// Steps that are over and wholly in the range: others have fewer.
const whole = (rows, range, now) => rows.filter(({ from, until }) => from >= range.from && until <= Math.min(range.to, now));

function byPlace(rows) {
  const places = new Map();
  for (const row of rows) {
    const name = placeOf(row);
    if (!places.has(name)) places.set(name, { name, rows: [], most: null });
    const place = places.get(name);
    place.rows.push(row);
    if (row.advertisers > (place.most?.advertisers ?? -1)) place.most = row;
  }
  return [...places.values()].sort((a, b) => b.most.advertisers - a.most.advertisers);
}

// Steps as they are; where nobody listened the area is broken. A step ends before the next begins: Chart.js stacks what has one time.
function points(rows, zone) {
  return rows.flatMap((row, i) => {
    const step = [{ x: row.from, at: row.from, y: row[zone] }, { x: row.until - 1, at: row.from, y: row[zone] }];
    return i && row.from > rows[i - 1].until ? [{ x: rows[i - 1].until, y: NaN }, ...step] : step;
  });
}

// One place: its zones, one on the other.
class PlaceChart {
  constructor(view) {
    this.view = view;
    this.title = h("h3");
    this.most = h("span", { class: "soft" });
    this.chart = new TimeChart(view, { stacked: true });
    this.element = h("div", { class: "place-chart" }, h("div", { class: "headed" }, this.title, this.most), this.chart.element);
  }

  draw({ name, rows, most }) {
    const counted = whole(rows, this.view.range, this.view.now());
    const mean = counted.reduce((sum, row) => sum + row.advertisers, 0) / counted.length;
    const says = t("occupancy.most", { n: most.advertisers, time: moment(most.from), mean: counted.length ? number(Math.round(mean * 10) / 10) : t("unknown") });
    setText(this.title, name || t("now.no_place"));
    setText(this.most, says);
    this.chart.draw(`${name}: ${says}`, ZONES.map((zone, i) => ({ label: t(zone), colour: zone, data: points(rows, zone), pointRadius: 0, fill: i ? "-1" : "origin" })));
  }
}

class Occupancy extends HistoryView {
  build() {
    this.filter("place");
    this.file = h("button", { type: "button", on: { click: () => download("occupancy", this.rows) } }, t("csv"));
    this.charts = [];
    this.places = h("div", { class: "place-charts" });
    this.others = note("");
    this.steps = note("");
    this.legend = new Legend();
    this.legend.draw(ZONES.map((zone) => ({ kind: zone, text: t(zone) })));
    this.heat = new HeatMap(t("heat.title"));
    const scroll = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("heat.title") }, this.heat.element);
    this.heatNote = note("");
    this.heatCard = card(t("heat.title"), scroll, this.heatNote);
    this.table = new HiddenTable(t("occupancy.table"), [
      { name: "from", label: t("col.from"), text: (row) => moment(row.from) },
      { name: "place", label: t("col.place"), text: (row) => placeOf(row) || t("now.no_place") },
      ...[...ZONES, "advertisers"].map((name) => ({ name, label: t(name === "advertisers" ? "occupancy.all" : name), number: true,
                                                    text: (row) => number(row[name]) })),
      { name: "pis", label: t("now.pis"), number: true, text: (row) => number(row.pis) },
      { name: "listened", label: t("occupancy.listened"), number: true, text: (row) => span(row.listened_s * 1000) }]);
    this.body.append(
      h("section", { class: "card" }, h("div", { class: "headed" }, h("h2", {}, t("occupancy.chart")), this.legend.element), this.places, this.others,
        this.steps, h("div", { class: "headed" }, this.table.element, this.file)),
      this.heatCard);
  }

  questions() {
    const asked = { ...this.range.asked, place: this.params.place, limit: MOST_ROWS }, every = this.every = stepOf(this.range);
    const within = stepWithin(this.range);
    const heat = every === "1d" || every === within ? {} : { heat: ["occupancy", { ...asked, every: within }, "aside"] };
    return { steps: ["occupancy", { ...asked, every }], ...heat };
  }

  show({ steps, heat }) {
    this.rows = steps.rows;
    const { every } = this, rows = timed(steps.rows), places = byPlace(rows).slice(0, MOST_CHARTS), all = byPlace(rows).length;
    while (this.charts.length < places.length) {
      this.charts.push(new PlaceChart(this));
      this.places.append(this.charts.at(-1).element);
    }
    for (const chart of this.charts.splice(places.length)) {
      chart.chart.leave();
      chart.element.remove();
    }
    setAttribute(this.places, "data-count", String(places.length));
    places.forEach((place, i) => this.charts[i].draw(place));
    this.others.hidden = all <= MOST_CHARTS;
    setText(this.others, t("occupancy.others", { n: all - MOST_CHARTS }));
    setText(this.steps, t(`occupancy.every.${every}`));
    this.table.draw(rows.toReversed());
    this.heatCard.hidden = every === "1d";
    if (every !== "1d") this.showHeat(heat ?? steps);
  }

  // The sum of all places in a step; who was at two of them counts at each.
  showHeat({ rows, more, trouble = null }) {
    this.heat.element.hidden = trouble !== null;
    if (trouble) return setText(this.heatNote, t(`ask.${trouble.kind}`, { detail: plain(trouble.message) }));
    const all = timed(rows), sums = new Map();
    const known = more ? all.filter(({ from }) => from > all[0].from) : all;  // of the first step, places may have been cut off
    for (const { from, advertisers } of whole(known, this.range, this.now())) sums.set(from, (sums.get(from) ?? 0) + advertisers);
    this.heat.draw([...sums].map(([at, value]) => ({ at, value })));
    setText(this.heatNote, [more && known.length ? t("heat.part", { time: moment(known[0].from) }) : "", t(`heat.note.${noteOf(this.range)}`)].filter(Boolean).join(" "));
  }

  leave() {
    super.leave();
    for (const { chart } of this.charts) chart.leave();
  }
}

export const occupancy = { name: "occupancy", history: true, open: (root, page) => new Occupancy(root, page, "7d") };

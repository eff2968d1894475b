// One advertiser: how strong it was at each Pi, and when nobody could have heard it.
import { Legend, TimeChart } from "./chart.js";
import { card, h, note, searchField, setText } from "./dom.js";
import { asTold, clockTime, day, dbm, latestTold, moment, placeOf, span, toldBy } from "./format.js";
import { HistoryView, MOST_ROWS, timed } from "./history.js";
import { Lanes } from "./lanes.js";
import { stepOf } from "./range.js";
import { HiddenTable } from "./table.js";
import { number, t } from "./words.js";

const MOST_LINES = 8;  // Pis in the chart
const POINTS_PX = [[8, 3], [3, 1.8], [0, 1]];  // so far apart, of that radius
const MARKS = [["circle", "●"], ["rect", "■"], ["triangle", "▲"], ["rectRot", "◆"], ["crossRot", "✕"], ["star", "✱"], ["cross", "✚"], ["dash", "▬"]];
const DARKEST = 0.75, LIGHTEST = 0.2;
const merged = (spans) => spans.reduce((list, one) => {
  const last = list.at(-1);
  if (last && last.kind === one.kind && one.from <= last.until && one.title === last.title) last.until = Math.max(last.until, one.until);
  else list.push({ ...one });
  return list;
}, []);

// What is left of a time beside these stretches.
function between(spans, from, to) {
  const left = [];
  let at = from;
  for (const one of spans.toSorted((a, b) => a.from - b.from)) {
    if (one.from > at) left.push({ from: at, until: one.from });
    at = Math.max(at, one.until);
  }
  return at < to ? [...left, { from: at, until: to }] : left;
}

// By Pi: what was heard and when it did not listen; the Pi that heard it most first.
function byPi(rows) {
  const pis = new Map();
  for (const row of rows) {
    if (!pis.has(row.device_id)) pis.set(row.device_id, { id: row.device_id, place: placeOf(row), heard: [], not: [], detections: 0 });
    const pi = pis.get(row.device_id);
    if (row.what === "heard") {
      pi.heard.push(row);
      pi.detections += row.detections;
    } else {
      pi.not.push({ ...row, kind: row.what });
    }
  }
  return [...pis.values()].sort((a, b) => b.detections - a.detections);
}

// A step as words, as far as it is in the range and over.
function within({ from, until }, range, now) {
  const begin = Math.max(from, range.from), end = Math.min(until, range.to, now);
  return t("advertiser.between", { from: moment(begin), until: day(begin) === day(end) ? clockTime(end) : moment(end) });
}

const radius = (points, width) => POINTS_PX.find(([apart]) => width / Math.max(1, points) >= apart)[1];

// The points of a line, which is broken where a step was left out.
function points(heard) {
  return heard.flatMap((row, i) => {
    const at = (row.from + row.until) / 2;
    const text = t("advertiser.point", { mean: dbm(Math.round(row.mean_rssi)), best: dbm(row.rssi), n: row.detections });
    const point = { x: at, at: row.from, y: row.mean_rssi, text };
    return i && row.from > heard[i - 1].until ? [{ x: at, y: NaN }, point] : [point];
  });
}

class Advertiser extends HistoryView {
  build() {
    this.unheard = "not_heard";
    this.hash = searchField("hash", t("advertiser.hash"), this.params.hash ?? "");
    this.filters.append(h("form", { class: "tools", role: "search", on: { submit: (event) => this.choose(event) } },
      this.hash, h("button", { type: "submit" }, t("advertiser.show"))));
    this.filter("device");
    this.name = h("span");
    this.code = h("code", { class: "hash" });
    this.toldWhen = note("");
    this.facts = Object.fromEntries(["first", "last", "strongest", "detections", "pis"].map((name) => [name, h("dd")]));
    this.chart = new TimeChart(this, { unit: "dBm" });
    this.legend = new Legend();
    this.lanes = new Lanes(this);
    this.laneLegend = new Legend();
    this.table = new HiddenTable(t("advertiser.table"), [
      { name: "from", label: t("col.time"), text: (row) => moment(row.from) },
      { name: "pi", label: t("col.pi"), text: (row) => row.device_id },
      { name: "place", label: t("col.place"), text: placeOf },
      { name: "what", label: t("col.what"), text: (row) => t(`what.${row.what}`), kind: (row) => row.what },
      { name: "rssi", label: t("col.strongest"), number: true, text: (row) => row.what === "heard" ? dbm(row.rssi) : "" },
      { name: "mean", label: t("col.mean"), number: true, text: (row) => row.what === "heard" ? dbm(row.mean_rssi) : "" },
      { name: "zone", label: t("col.zone"), text: (row) => row.zone ? t(row.zone) : "" },
      { name: "count", label: t("col.detections"), number: true, text: (row) => row.what === "heard" ? number(row.detections) : "" },
      { name: "reason", label: t("col.reason"), text: (row) => row.reason ?? "" }]);
    this.body.append(
      h("section", { class: "card who" }, h("h2", {}, t("advertiser")), h("p", { class: "code" }, this.code, " ", this.name), this.toldWhen,
        h("dl", { class: "facts" }, ...Object.entries(this.facts).map(([name, value]) => h("div", {}, h("dt", {}, t(`advertiser.${name}`)), value)))),
      card(t("advertiser.rssi"), this.chart.element, this.legend.element, note(t("advertiser.shaded"))),
      card(t("advertiser.where"), this.lanes.element, this.laneLegend.element, note(t("advertiser.silence")), this.table.element));
    this.laneLegend.draw(["heard", "listening", "silent", "gap"].map((kind) => ({ kind, text: t(`what_long.${kind === "listening" ? "not_heard" : kind}`) })));
  }

  choose(event) {
    event.preventDefault();
    this.change({ hash: this.hash.value.trim().toLowerCase() }, { push: true });
  }

  questions() {
    if (!this.params.hash) return {};
    return { track: ["track", { ...this.range.asked, hash: this.params.hash, device: this.params.device, every: stepOf(this.range), limit: MOST_ROWS }] };
  }

  tell(nothing, answers) {
    super.tell(answers.track ? nothing : "which", answers);
  }

  show({ track }) {
    const rows = timed(track.rows), pis = byPi(rows);
    const heard = pis.filter((pi) => pi.detections), lines = heard.slice(0, MOST_LINES);
    const shown = lines.length ? lines : pis;
    this.showFacts(rows.filter(({ what }) => what === "heard"), heard);
    const width = this.chart.plot.clientWidth;
    const datasets = lines.map((pi, i) => ({ label: pi.id, colour: `c${i + 1}`, data: points(pi.heard), pointStyle: MARKS[i][0],
                                             pointRadius: radius(pi.heard.length, width) }));
    const alpha = Math.max(LIGHTEST, DARKEST / shown.length);
    this.chart.draw(this.summary(heard), datasets, shown.flatMap((pi) => pi.not.map(({ from, until }) => ({ from, until, alpha }))));
    const others = heard.length - lines.length;
    this.legend.draw([...lines.map((pi, i) => ({ kind: `c${i + 1}`, sign: MARKS[i][1], text: [pi.id, pi.place].filter(Boolean).join(" · ") })),
                      { kind: "shade", text: t("advertiser.shade") }, ...(others > 0 ? [{ kind: "none", text: t("advertiser.others", { n: others }) }] : [])]);
    this.lanes.draw((heard.length ? heard : pis).map((pi) => this.lane(pi)));
    this.table.draw(rows);
  }

  remark({ track }) {
    return track.rows.some(({ what }) => what === "heard") ? "" : "never";
  }

  // It listened whenever it is not said that it did not.
  lane(pi) {
    const { from, to } = this.range;
    const spans = [
      ...between(pi.not, from, to).map((one) => ({ ...one, kind: "listening", title: t("what_long.not_heard") })),
      ...merged(pi.heard.map((row) => ({ kind: "heard", from: row.from, until: row.until, title: t("what.heard") }))),
      ...pi.not.map((one) => ({ ...one, title: [t(`what.${one.kind}`), one.reason].filter(Boolean).join(", ") }))];
    const not = pi.not.reduce((sum, one) => sum + Math.min(to, one.until) - Math.max(from, one.from), 0);
    return { name: pi.id, title: pi.place, href: `#/coverage?${new URLSearchParams({ ...this.range.asked, device: pi.id })}`, spans,
             text: t("advertiser.lane", { pi: pi.id, n: pi.detections, span: span(not) }) };
  }

  showFacts(rows, heard) {
    const best = rows.reduce((most, row) => row.rssi > (most?.rssi ?? -Infinity) ? row : most, null);
    const first = rows.reduce((one, row) => row.from < (one?.from ?? Infinity) ? row : one, null);
    const last = rows.reduce((one, row) => row.until > (one?.until ?? 0) ? row : one, null);
    this.whole = rows[0]?.device_hash ?? this.params.hash;
    setText(this.code, this.whole);
    this.stored = rows.map(toldBy).findLast(asTold) ?? ["", ""];
    this.heard();
    setText(this.facts.first, first ? within(first, this.range, this.now()) : t("unknown"));
    setText(this.facts.last, last ? within(last, this.range, this.now()) : t("unknown"));
    setText(this.facts.strongest, best ? t("advertiser.best", { rssi: dbm(best.rssi), pi: best.device_id }) : t("unknown"));
    setText(this.facts.detections, number(rows.reduce((sum, row) => sum + row.detections, 0)));
    setText(this.facts.pis, number(heard.length));
  }

  // What is told now is later than what is stored, and of this time when that lasts until now.
  heard() {
    const isPast = !this.range.preset && asTold(this.stored) !== "";
    const now = isPast ? undefined : this.page.seen.told(this.params.device).get(this.whole), all = latestTold(this.stored, now);
    setText(this.name, asTold(all));
    this.toldWhen.hidden = !asTold(all);
    setText(this.toldWhen, t(now && asTold(now) === asTold(all) ? "advertiser.told_now" : "advertiser.told"));
  }

  summary(heard) {
    if (!heard.length) return t("ask.never");
    const best = (pi) => dbm(Math.max(...pi.heard.map((row) => row.rssi)));
    return `${t("advertiser.rssi")}. ${heard.map((pi) => t("advertiser.says", { pi: pi.id, n: pi.detections, best: best(pi) })).join("; ")}`;
  }

  leave() {
    super.leave();
    this.chart.leave();
    this.lanes.leave();
  }
}

export const advertiser = { name: "advertiser", history: true, below: "presence", open: (root, page) => new Advertiser(root, page, "24h") };

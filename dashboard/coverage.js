// When each Pi listened, and what is missing.
import { Legend } from "./chart.js";
import { download } from "./csv.js";
import { card, h, note, setText } from "./dom.js";
import { milliseconds, moment, percent, placeOf, span } from "./format.js";
import { HistoryView, MOST_ROWS, timed } from "./history.js";
import { Lanes } from "./lanes.js";
import { HiddenTable, Table } from "./table.js";
import { number, t } from "./words.js";

const lengthOf = (spans) => spans.reduce((sum, { from, until }) => sum + until - from, 0);
const timeText = (text) => milliseconds(text) === null ? t("unknown") : moment(milliseconds(text));
const pi = (row) => [row.device_id, placeOf(row)].filter(Boolean).join(" · ");
const batchesOf = (row) => row.batches === undefined ? t("unknown") : number(row.batches);

function byPi(rows) {
  const pis = new Map();
  for (const row of rows) {
    if (!pis.has(row.device_id)) pis.set(row.device_id, []);
    pis.get(row.device_id).push(row);
  }
  return [...pis].sort(([a], [b]) => a.localeCompare(b, undefined, { numeric: true }));
}

class Coverage extends HistoryView {
  build() {
    this.unheard = "nobody_listened";
    this.filter("device");
    this.filter("place");
    this.summary = h("p", { class: "summary" });
    this.lanes = new Lanes(this);
    this.legend = new Legend();
    this.legend.draw(["listening", "silent", "gap"].map((kind) => ({ kind, text: t(`what_long.${kind}`) })));
    this.stretches = new HiddenTable(t("coverage.stretches"), [
      { name: "pi", label: t("col.pi"), text: pi },
      { name: "what", label: t("col.what"), text: (row) => t(`what.${row.what}`), kind: (row) => row.what },
      { name: "from", label: t("col.from"), text: (row) => moment(row.from) },
      { name: "until", label: t("col.until"), text: (row) => moment(row.until) },
      { name: "long", label: t("col.long"), number: true, text: (row) => span(row.until - row.from) },
      { name: "reason", label: t("col.reason"), text: (row) => row.reason ?? "" },
      { name: "clock", label: t("now.clock"), text: (row) => row.clock ? t(`now.clock.${row.clock}`) : "" }]);
    this.missing = new Table(t("coverage.missing"), [
      { name: "pi", label: t("col.pi"), text: pi },
      { name: "what", label: t("col.what"), text: (row) => row.what === "device" ? t("coverage.device") : t("coverage.batches", { n: row.batches ?? 0 }) },
      { name: "reason", label: t("col.reason"), text: (row) => row.reason ?? "" },
      { name: "from", label: t("col.from"), text: (row) => timeText(row.lost_from ?? row.since) },
      { name: "until", label: t("col.until"), text: (row) => timeText(row.lost_to) },
      { name: "since", label: t("coverage.noticed"), text: (row) => timeText(row.since) },
      { name: "count", label: t("coverage.count"), number: true, text: batchesOf }]);
    this.none = note(t("coverage.nothing_missing"));
    this.file = h("button", { type: "button", on: { click: () => download("missing", this.lost) } }, t("csv"));
    this.body.append(this.summary,
      card(t("coverage.lanes"), this.lanes.element, this.legend.element, note(t("coverage.silence")), this.stretches.element),
      h("section", { class: "card" }, h("div", { class: "headed" }, h("h2", {}, t("coverage.missing")), this.file), this.none, this.missing.element, this.missing.note));
  }

  questions() {
    const { device, place } = this.params, asked = { ...this.range.asked, device, place };
    return { coverage: ["coverage", { ...asked, limit: MOST_ROWS }], missing: ["missing", { ...asked, limit: 1000 }] };
  }

  show({ coverage, missing }) {
    const pis = byPi(timed(coverage.rows));
    const all = pis.flatMap(([, spans]) => spans);  // a Pi has none before it was there, and none of a window that has yet to come
    const listened = lengthOf(all.filter(({ what }) => what === "listening")) / Math.max(1, lengthOf(all));
    this.lost = missing.rows;
    const lost = missing.more ? "coverage.lost_at_least" : "coverage.lost";
    const batches = missing.rows.reduce((sum, row) => sum + (row.batches ?? 0), 0), silent = missing.rows.filter(({ what }) => what === "device").length;
    setText(this.summary, [t("coverage.pis", { n: pis.length }), t("coverage.listened", { part: percent(listened, 1) }),
                           batches || missing.more ? t(lost, { n: batches }) : t("coverage.none_lost"),
                           silent ? t("coverage.silent_now", { n: silent }) : ""].filter(Boolean).join(" · "));
    this.lanes.draw(pis.map(([id, spans]) => this.lane(id, spans)));
    this.stretches.draw(all.sort((a, b) => b.from - a.from));
    this.missing.draw(missing.rows);
    this.missing.element.hidden = this.file.hidden = missing.rows.length === 0;
    this.none.hidden = missing.rows.length > 0;
  }

  lane(id, spans) {
    const part = (what) => span(lengthOf(spans.filter((one) => one.what === what)));
    const reasons = [...new Set(spans.map(({ reason }) => reason).filter(Boolean))].join(", ");
    return { name: id, title: placeOf(spans[0]), href: `#/coverage?${new URLSearchParams({ ...this.range.asked, device: id })}`,
             spans: spans.map((one) => ({ kind: one.what, from: one.from, until: one.until, title: [t(`what.${one.what}`), one.reason].filter(Boolean).join(", ") })),
             text: [t("coverage.lane", { pi: id, listening: part("listening"), silent: part("silent"), gap: part("gap") }), reasons].filter(Boolean).join("; ") };
  }

  leave() {
    super.leave();
    this.lanes.leave();
  }
}

export const coverage = { name: "coverage", history: true, open: (root, page) => new Coverage(root, page, "24h") };

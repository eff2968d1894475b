// Who is where: each advertiser at the Pi that hears it best.
import { download } from "./csv.js";
import { h, note, searchField, setText } from "./dom.js";
import { asTold, dbm, latestTold, milliseconds, placeOf, plain, time, toldBy } from "./format.js";
import { HistoryView } from "./history.js";
import { Table } from "./table.js";
import { number, t } from "./words.js";

const SHORT_HASH = 12, MOST_ROWS = 1000;
const NAMED_MS = 3600_000;  // of more, the answer has no names

const nameOf = (raw, told) => asTold(latestTold(toldBy(raw), told.get(raw.device_hash)));

class Presence extends HistoryView {
  build() {
    this.cut = "more_strongest";
    this.unheard = "none_told_apart";
    this.q = searchField("q", t("presence.search"), this.params.q ?? "", { input: () => this.search() });
    this.filters.append(this.q);
    this.filter("device");
    this.filter("place");
    const file = h("button", { type: "button", on: { click: () => download("presence", this.found.map((row) => row.raw)) } }, t("csv"));
    this.count = h("p", { class: "note", id: "count" });
    const track = (row) => `#/advertiser?${new URLSearchParams({ hash: row.raw.device_hash, ...(this.params.since ? this.range.asked : {}) })}`;
    this.table = new Table(t("presence.table"), [
      { name: "advertiser", label: t("live.advertiser"), text: (row) => row.raw.device_hash.slice(0, SHORT_HASH), title: (row) => row.raw.device_hash, href: track },
      { name: "name", label: t("col.name"), text: (row) => row.name },
      { name: "pi", label: t("col.strongest_pi"), text: (row) => row.raw.device_id },
      { name: "rssi", label: t("live.rssi"), number: true, text: (row) => dbm(row.raw.rssi) },
      { name: "zone", label: t("col.zone"), text: (row) => t(row.raw.zone), kind: (row) => row.raw.zone },
      { name: "place", label: t("col.place"), text: (row) => row.place },
      { name: "last", label: t("col.last"), text: (row) => time(milliseconds(row.raw.last), this.now()) },
      { name: "pis", label: t("col.pis"), number: true, text: (row) => number(row.raw.pis) },
      { name: "count", label: t("col.detections"), number: true, text: (row) => number(row.raw.detections) }], { className: "presence" });
    this.unnamed = note(t("presence.unnamed"));
    this.body.append(h("section", { class: "card" }, h("div", { class: "headed" }, this.count, file), this.table.element, this.unnamed));
  }

  questions() {
    const { device, place } = this.params;
    return { presence: ["presence", { ...this.range.asked, device, place, limit: MOST_ROWS }] };
  }

  show({ presence }) {
    this.rows = presence.rows;
    this.name(this.page.seen.told());
  }

  heard() {
    const told = this.page.seen.told();
    if (this.all.some(({ raw, name }) => nameOf(raw, told) !== name)) this.name(told);
  }

  name(told) {
    this.all = this.rows.map((raw) => {
      const row = { raw, name: nameOf(raw, told), place: placeOf(raw) };
      row.words = [raw.device_hash, raw.device_id, row.place, row.name, raw.zone, t(raw.zone)].map(plain).join(" ").toLowerCase();
      return row;
    });
    this.unnamed.hidden = this.range.to - this.range.from <= NAMED_MS;
    this.table.element.classList.toggle("unnamed", !this.all.some(({ name }) => name));
    this.search();
  }

  // All words must be in a row, in any order.
  search() {
    const q = this.q.value, words = q.toLowerCase().split(/\s+/).filter(Boolean);
    if (q !== (this.params.q ?? "")) this.page.setParams({ ...this.params, q });
    if (!this.all) return;
    this.found = this.all.filter((row) => words.every((word) => row.words.includes(word)));
    const n = this.found.length, all = this.all.length;
    setText(this.count, n === all ? t("presence.count", { n }) : t("presence.count_of", { n, all }));
    this.table.element.hidden = this.found.length === 0;
    this.table.draw(this.found);
  }
}

export const presence = { name: "presence", history: true, open: (root, page) => new Presence(root, page, "5m") };

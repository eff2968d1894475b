// Detections as they come, newest first. Only the rows in sight are in the document, and a row that is there is left alone.
import { h, setAttribute, setText } from "./dom.js";
import { dbm, time } from "./format.js";
import { matcher, MOST_AGE_MS, MOST_ROWS } from "./seen.js";
import { number, t } from "./words.js";

const ZONES = ["near", "medium", "far"];
const COLUMNS = ["time", "pi", "place", "advertiser", "rssi", "zone", "count"];
const NUMBERS = ["rssi", "count"];
const BEYOND = 8;  // rows above and below what is in sight
const WEAKEST = -100, STRONGEST = -40;  // dBm, the ends of the bar
const MOST_GAPS = 50;  // in the list

class Rows {
  constructor(onPick) {
    this.onPick = onPick;
    this.byNumber = new Map();  // rows in the document
    const spacer = () => h("tr", { class: "spacer", "aria-hidden": "true" }, h("td"));
    this.above = spacer();
    this.below = spacer();
    this.body = h("tbody", {}, this.above, this.below);
    const heads = COLUMNS.map((name) => h("th", { scope: "col", class: `${name}${NUMBERS.includes(name) ? " number" : ""}` }, t(`live.${name}`)));
    this.table = h("table", { class: "rows", "aria-label": t("live.list") }, h("thead", {}, h("tr", { "aria-rowindex": "1" }, ...heads)), this.body);
    this.element = h("div", { class: "list", tabindex: "0", role: "region", "aria-label": t("live.list") }, this.table);
  }

  height() {
    return this.rowHeight ??= parseFloat(getComputedStyle(this.element).getPropertyValue("--row"));
  }

  make(row, now) {
    const bar = h("i", { class: "bar" });
    bar.style.setProperty("--part", row.rssi === null ? 0 : Math.max(0, Math.min(1, (row.rssi - WEAKEST) / (STRONGEST - WEAKEST))));
    const button = h("button", { type: "button", title: row.hash, on: { click: () => this.onPick(row) } }, h("code", {}, row.hash.slice(0, 8)));
    if (row.name || row.beacon) button.append(` ${row.name || row.beacon}`);
    return h("tr", { class: row.zone || undefined, "data-number": row.number },
      h("td", { class: "time", title: time(row.at, now) }, time(row.at, now)), h("td", { class: "pi", title: row.pi }, row.piName), h("td", { class: "place", title: row.place }, row.place),
      h("td", { class: "advertiser" }, button), h("td", { class: "rssi number" }, bar, dbm(row.rssi)),
      h("td", { class: "zone" }, row.zone && t(row.zone)), h("td", { class: "count number" }, row.count === null ? t("unknown") : number(row.count)));
  }

  // `rows`: oldest first; those in sight come into the document, newest first.
  draw(rows, picked, now) {
    const height = this.height(), { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / height) - BEYOND);
    const last = Math.min(rows.length, Math.ceil((scrollTop + clientHeight) / height) + BEYOND);
    const wanted = new Map();
    for (let i = first; i < last; i++) wanted.set(rows[rows.length - 1 - i].number, rows[rows.length - 1 - i]);
    for (const [key, element] of this.byNumber) {
      if (wanted.has(key)) continue;
      element.remove();
      this.byNumber.delete(key);
    }
    let before = this.above, index = first + 2;  // the head is the first
    for (const [key, row] of wanted) {
      const element = this.byNumber.get(key) ?? this.make(row, now);
      this.byNumber.set(key, element);
      if (before.nextSibling !== element) before.after(element);
      const isPicked = picked !== "" && row.hash === picked;
      element.classList.toggle("picked", isPicked);
      setAttribute(element.querySelector("button"), "aria-pressed", String(isPicked));
      setAttribute(element, "aria-rowindex", String(index++));
      before = element;
    }
    this.above.firstChild.style.height = `${first * height}px`;
    this.below.firstChild.style.height = `${(rows.length - last) * height}px`;
    setAttribute(this.table, "aria-rowcount", String(rows.length + 1));
  }
}

class Live {
  constructor(root, page) {
    Object.assign(this, page);  // seen, feed, params, setParams
    this.paused = false;
    this.list = new Rows((row) => this.change({ pick: this.params.pick === row.hash ? "" : row.hash }));
    this.build(root);
    this.start();
    this.onSelection = () => this.refresh();
    document.addEventListener("selectionchange", this.onSelection);
    this.list.element.addEventListener("scroll", () => this.refresh(), { passive: true });
  }

  build(root) {
    const option = (value, text) => h("option", { value }, text);
    this.q = h("input", { type: "search", id: "q", placeholder: t("live.search"), "aria-label": t("live.search"), autocomplete: "off", spellcheck: "false",
                          on: { input: () => this.change({ q: this.q.value }) } });
    this.device = h("select", { "aria-label": t("live.pi"), on: { change: () => this.change({ device: this.device.value }) } }, option("", t("live.any_pi")));
    this.zone = h("select", { "aria-label": t("live.zone"), on: { change: () => this.change({ zone: this.zone.value }) } },
      option("", t("live.any_zone")), ...ZONES.map((zone) => option(zone, t(zone))));
    this.pause = h("button", { type: "button", id: "pause", on: { click: () => this.togglePause() } }, t("live.pause"));
    this.newer = h("button", { type: "button", id: "newer", hidden: true, on: { click: () => this.follow() } });
    this.kept = h("p", { class: "note", id: "kept" });
    this.picked = h("div", { class: "picked card", hidden: true });
    this.nothing = h("p", { class: "empty", role: "status", hidden: true });
    this.gaps = h("ul");
    this.gapsCard = h("section", { class: "card", hidden: true, "aria-labelledby": "gaps-title" }, h("h2", { id: "gaps-title" }, t("live.gaps")), this.gaps);
    root.replaceChildren(
      h("form", { class: "tools", role: "search", on: { submit: (event) => event.preventDefault() } }, this.q, this.device, this.zone, this.pause, this.newer),
      this.picked, this.nothing, this.list.element, this.kept, this.gapsCard);
  }

  // Begins anew with what is kept, under the filter of the address.
  start() {
    this.q.value = this.params.q ?? "";
    this.zone.value = ZONES.includes(this.params.zone) ? this.params.zone : "";
    this.matches = matcher({ ...this.params, zone: this.zone.value });
    this.rows = [];      // that match, oldest first
    this.upTo = 0;       // number of the next row to look at
    this.held = null;    // the rows shown while they must not move; else those of `rows`
    this.since = 0;      // matching rows that came while held
    this.list.element.scrollTop = 0;
  }

  change(params) {
    const filters = Object.keys(params).some((name) => name !== "pick");
    this.setParams({ ...this.params, ...params });
    if (filters) this.start();
    this.draw();
  }

  togglePause() {
    this.paused = !this.paused;
    setText(this.pause, t(this.paused ? "live.go_on" : "live.pause"));
    this.pause.classList.toggle("on", this.paused);
    this.refresh();
  }

  follow() {
    if (this.paused) this.togglePause();
    getSelection().removeAllRanges();
    this.list.element.scrollTop = 0;
    this.list.element.focus();
    this.refresh();
  }

  // Whoever reads further down, selects, goes through the rows by keyboard or has stopped the list does not want it to move.
  mustHold() {
    const selection = getSelection();
    const selecting = !selection.isCollapsed && this.list.element.contains(selection.anchorNode);
    const amongRows = this.list.body.querySelector(":focus-visible") !== null;
    return this.paused || selecting || amongRows || this.list.element.scrollTop > 0;
  }

  collect() {
    const fresh = this.seen.rowsFrom(this.upTo).filter(this.matches);
    this.upTo = this.seen.next;
    for (const row of fresh) this.rows.push(row);
    if (this.held) this.since += fresh.length;
    const oldest = this.seen.oldestRow()?.number ?? this.seen.next;
    let gone = 0;
    while (gone < this.rows.length && this.rows[gone].number < oldest) gone++;
    if (gone) this.rows.splice(0, gone);
  }

  draw() {
    this.seen.forget();
    this.collect();
    this.refresh();
    this.drawDevices();
    this.drawGaps();
    this.drawPicked();
  }

  refresh() {
    const hold = this.mustHold();
    if (hold && !this.held) Object.assign(this, { held: this.rows.slice(), since: 0 });
    if (!hold) this.held = null;
    this.list.draw(this.held ?? this.rows, this.params.pick ?? "", this.feed.now());
    this.newer.hidden = !this.held;
    setText(this.newer, this.since ? `▲ ${t("live.newer", { n: this.since })}` : `▲ ${t("live.top")}`);
    this.drawKept();
  }

  drawKept() {
    const all = this.seen.kept(), shown = (this.held ?? this.rows).length;
    const counted = shown === all ? t("live.kept", { n: all }) : t("live.kept_of", { n: shown, all });
    const oldest = this.seen.oldestRow();
    setText(this.kept, oldest ? `${counted}, ${t("live.kept_since", { time: time(oldest.kept, this.feed.now()), minutes: MOST_AGE_MS / 60_000, most: MOST_ROWS })}` : "");
    this.list.element.hidden = shown === 0;
    this.nothing.hidden = shown > 0;
    setText(this.nothing, shown === 0 ? this.nothingBecause(all) : "");
  }

  nothingBecause(all) {
    if (all) return t("live.none_match");
    if (this.seen.pis.size) return t("live.none");
    return this.feed.state === "open" ? `${t("empty.title")} ${t("empty.why")}` : t(`wait.${this.feed.state}`);
  }

  drawDevices() {
    const ids = [...this.seen.pis.keys()].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    const asked = this.params.device ?? "";
    if (asked && !ids.includes(asked)) ids.push(asked);
    const known = [...this.device.options].slice(1).map((option) => option.value);
    if (ids.join("\n") !== known.join("\n")) this.device.replaceChildren(this.device.options[0], ...ids.map((id) => h("option", { value: id }, id)));
    if (this.device.value !== asked) this.device.value = asked;
  }

  drawGaps() {
    const { gaps } = this.seen;
    this.gapsCard.hidden = gaps.length === 0;
    if (this.gapsDrawn === gaps) return;
    this.gapsDrawn = gaps;
    this.gaps.replaceChildren(...gaps.slice(0, MOST_GAPS).map((gap) => h("li", {}, t(gap.twoAtOnce ? "live.two_at_once" : "live.gap", gap))));
  }

  // The advertiser that was picked: which Pis hear it, and how strong, each by its newest detection that is kept.
  drawPicked() {
    const hash = this.params.pick ?? "";
    this.picked.hidden = hash === "";
    if (hash === "") return;
    if (this.pickedHash !== hash) this.buildPicked(hash);
    const newest = new Map(this.seen.rowsFrom(0).filter((row) => row.hash === hash).map((row) => [row.pi, row]));
    const heard = [...newest.values()].sort((a, b) => (b.rssi ?? -Infinity) - (a.rssi ?? -Infinity));
    setText(this.pickedBy, heard.map((row) => `${row.piName} ${dbm(row.rssi)} dBm (${time(row.at, this.feed.now())})`).join(", ") || t("unknown"));
    const told = heard.find((row) => row.name || row.beacon);
    setText(this.pickedName, told ? [told.name, told.beacon].filter(Boolean).join(" · ") : "");
  }

  buildPicked(hash) {
    this.pickedHash = hash;
    this.pickedName = h("b");
    this.pickedBy = h("dd");
    this.picked.replaceChildren(
      h("dl", {}, h("div", {}, h("dt", {}, t("live.picked")), h("dd", {}, h("code", {}, hash), " ", this.pickedName)), h("div", {}, h("dt", {}, t("live.heard_by")), this.pickedBy)),
      h("button", { type: "button", on: { click: () => this.change({ q: hash, device: "", zone: "" }) } }, t("live.only")),
      ...(this.feed.history ? [h("a", { href: `#/advertiser?${new URLSearchParams({ hash })}` }, t("live.history"))] : []),
      h("button", { type: "button", on: { click: () => this.change({ pick: "" }) } }, t("live.unpick")));
  }

  leave() {
    document.removeEventListener("selectionchange", this.onSelection);
  }
}

export const live = { name: "live", open: (root, page) => new Live(root, page) };

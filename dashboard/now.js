// A tile for each Pi, and how many are where.
import { h, setAttribute, setText, svg } from "./dom.js";
import { dbm, span, time } from "./format.js";
import { condition, MINUTES, places, strongest, zoneCounts } from "./seen.js";
import { number, t } from "./words.js";

const ZONES = ["near", "medium", "far"];
const LINE = { width: 240, height: 36 };

// Makes an element for a command that can be copied as a whole.
const command = (text) => h("pre", { tabindex: "0" }, h("code", {}, text));

function emptyState() {
  return h("div", { class: "empty" },
    h("h2", {}, t("empty.title")), h("p", {}, t("empty.why")),
    h("p", {}, t("empty.pi")), command("blescan | blesend --mode mqtt --broker BROKER"),
    h("p", {}, t("empty.server")), command(`blesub --broker BROKER --client-id backend | bleingest | blews --port ${location.port || "8765"}`),
    h("p", {}, t("empty.replay")), command(`blescan --replay sample.btsnoop --now --speed 1 | blews --stay --port ${location.port || "8765"}`),
    h("p", {}, t("empty.doctor")), command("blescan --doctor"));
}

function statement(pi, state, now) {
  if (state === "unknown") return t("now.unknown_why");
  if (state === "silent") return t("now.since", { time: time(pi.at, now), span: span(now - pi.at) });
  if (state === "behind") return t("now.behind_by", { span: span(now - pi.at) });
  return t("now.heard", { ago: t("ago", { span: span(now - pi.at) }) });
}

class Tile {
  constructor() {
    const part = (name, properties = {}) => this[name] = h("span", properties);
    const fact = (name, properties = {}) => {
      this[name] = h("dd", { title: t(`now.${name}`) });
      return h("div", {}, h("dt", properties, t(`now.${name}`)), this[name]);
    };
    this.link = h("a");
    this.line = svg("path");
    this.title = svg("title");
    this.chart = svg("svg", { class: "line", viewBox: `0 0 ${LINE.width} ${LINE.height}`, preserveAspectRatio: "none", role: "img" }, this.title, this.line);
    this.zones = Object.fromEntries(ZONES.map((zone) => [zone, h("b", { class: zone })]));
    this.element = h("li", { class: "tile" },
      h("h3", {}, this.link), part("state", { class: "state" }), part("place", { class: "place" }), part("heard", { class: "heard" }),
      h("p", { class: "zones" }, ...ZONES.flatMap((zone) => [this.zones[zone], ` ${t(zone)} `])),
      this.chart,
      h("dl", {}, fact("listens"), fact("clock"), fact("strongest", { class: "unseen" })), part("trouble", { class: "trouble" }));
  }

  draw(pi, now) {
    const state = condition(pi, now);
    const current = ["listening", "late"].includes(state);
    setAttribute(this.element, "data-state", state);
    setText(this.link, pi.name || pi.id);
    setAttribute(this.link, "href", `#/live?device=${encodeURIComponent(pi.id)}`);
    setText(this.state, t(`now.${state}`, { n: 1 }));
    setText(this.place, [pi.name ? pi.id : "", pi.place].filter(Boolean).join(" · "));
    setText(this.heard, statement(pi, state, now));
    const counts = zoneCounts(pi), level = strongest(pi);
    for (const zone of ZONES) setText(this.zones[zone], current ? number(counts[zone]) : t("unknown"));
    setText(this.strongest, current && level !== null ? `${dbm(level)} dBm` : t("unknown"));
    const part = pi.windowMs && pi.intervalMs ? Math.min(100, Math.round(pi.windowMs / pi.intervalMs * 100)) : null;
    setText(this.listens, part === null ? t("unknown") : `${number(part)} %`);
    setAttribute(this.listens, "title", part === null ? "" : t("now.listens_of", { window: span(pi.windowMs), interval: span(pi.intervalMs) }));
    setText(this.clock, ["synced", "unsynced"].includes(pi.clock) ? t(`now.clock.${pi.clock}`) : t("unknown"));
    this.clock.classList.toggle("bad", pi.clock === "unsynced");
    setText(this.trouble, [pi.lost ? t("now.lost", { n: pi.lost, reason: pi.reason }) : "", pi.twoAtOnce ? t("now.two_at_once") : ""].filter(Boolean).join("; "));
    this.drawLine(pi, now);
  }

  // A stretch for each run of minutes that are known: what is not known is no zero.
  drawLine(pi, now) {
    const last = Math.floor(now / 60_000), most = Math.max(1, ...pi.hour.values());
    let path = "", before = null;
    for (let i = 0; i < MINUTES; i++) {
      const value = pi.hour.get(last - MINUTES + 1 + i);
      const x = (i + 0.5) / MINUTES * LINE.width, y = LINE.height - 2 - (value ?? 0) / most * (LINE.height - 4);
      if (value !== undefined) path += before === null ? `M${(x - 2).toFixed(1)} ${y.toFixed(1)}H${x.toFixed(1)}` : `L${x.toFixed(1)} ${y.toFixed(1)}`;
      before = value ?? null;
    }
    setAttribute(this.line, "d", path || "M0 0");
    setText(this.title, t("now.hour", { n: pi.hour.size, most: pi.hour.size ? most : 0 }));
  }
}

function placeRow() {
  const cells = Object.fromEntries(["place", "pis", ...ZONES].map((name) => [name, h(name === "place" ? "th" : "td", name === "place" ? { scope: "row" } : { class: "number" })]));
  return { cells, element: h("tr", {}, ...Object.values(cells)) };
}

// Puts `wanted` into `parent` in this order, moving as little as possible.
function arrange(parent, wanted) {
  wanted.forEach((element, i) => {
    if (parent.children[i] !== element) parent.insertBefore(element, parent.children[i] ?? null);
  });
  while (parent.children.length > wanted.length) parent.lastElementChild.remove();
}

class Now {
  constructor(root, { seen, feed }) {
    Object.assign(this, { seen, feed, tiles: new Map(), rows: new Map(), root, shown: null });
    this.summary = h("p", { class: "summary" });
    this.list = h("ul", { class: "tiles" });
    this.body = h("tbody");
    this.content = [
      this.summary,
      h("section", { "aria-labelledby": "pis-title", class: "pis" }, h("h2", { id: "pis-title" }, t("now.pis_title")), this.list,
        h("p", { class: "note" }, t("now.hour_title", { time: time(seen.since) }))),
      h("section", { "aria-labelledby": "places-title", class: "card occupancy" }, h("h2", { id: "places-title" }, t("now.places")),
        h("table", { class: "places" },
          h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("now.place")), h("th", { scope: "col", class: "number" }, t("now.pis")),
            ...ZONES.map((zone) => h("th", { scope: "col", class: "number" }, t(zone))))), this.body),
        h("p", { class: "note" }, t("now.places_note"))),
    ];
  }

  // What stands here instead of tiles, while there are none.
  instead() {
    if (this.seen.pis.size) return "";
    return { open: "empty", connecting: "wait.connecting", lost: "wait.lost" }[this.feed.state];
  }

  draw() {
    const instead = this.instead();
    if (instead !== this.shown) {
      this.shown = instead;
      if (instead === "") this.root.replaceChildren(...this.content);
      else this.root.replaceChildren(instead === "empty" ? emptyState() : h("p", { class: "empty" }, t(instead)));
    }
    if (instead) return;
    const now = this.feed.now();
    const pis = [...this.seen.pis.values()].sort((a, b) => (a.name || a.id).localeCompare(b.name || b.id, undefined, { numeric: true }));
    this.drawSummary(pis, now);
    this.drawTiles(pis, now);
    this.drawPlaces(places(pis, now));
  }

  drawSummary(pis, now) {
    const silent = pis.filter((pi) => condition(pi, now) === "silent");
    const states = ["listening", "late", "behind", "silent", "unknown"].map((state) => [state, pis.filter((pi) => condition(pi, now) === state).length]);
    const parts = [t("now.summary", { n: pis.length }), ...states.filter(([, n]) => n).map(([state, n]) => `${number(n)} ${t(`now.${state}`, { n })}`)];
    const names = silent.slice(0, 10).map((pi) => `${pi.name || pi.id} (${span(now - pi.at)})`).join(", ") + (silent.length > 10 ? ", …" : "");
    const listening = states[0][1];
    const end = silent.length ? t("now.silent_list", { names }) : listening === pis.length ? t("now.all_well") : "";
    setText(this.summary, `${parts.join(" · ")}. ${end}`);
    this.summary.classList.toggle("bad", silent.length > 0);
  }

  drawTiles(pis, now) {
    for (const id of this.tiles.keys()) if (!this.seen.pis.has(id)) this.tiles.delete(id);
    arrange(this.list, pis.map((pi) => {
      if (!this.tiles.has(pi.id)) this.tiles.set(pi.id, new Tile());
      const tile = this.tiles.get(pi.id);
      tile.draw(pi, now);
      return tile.element;
    }));
  }

  drawPlaces(list) {
    const names = new Set(list.map((one) => one.place));
    for (const name of this.rows.keys()) if (!names.has(name)) this.rows.delete(name);
    arrange(this.body, list.map((one) => {
      if (!this.rows.has(one.place)) this.rows.set(one.place, placeRow());
      const { cells, element } = this.rows.get(one.place);
      setText(cells.place, one.place || t("now.no_place"));
      setText(cells.pis, `${number(one.pis)} / ${number(one.all)}`);
      for (const zone of ZONES) setText(cells[zone], one.pis ? number(one[zone]) : t("unknown"));
      return element;
    }));
  }

  leave() {}
}

export const now = { name: "now", open: (root, page) => new Now(root, page) };

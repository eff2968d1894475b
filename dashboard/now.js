// A tile for each Pi, and how many are where.
import { command, h, setAttribute, setText, svg } from "./dom.js";
import { dbm, percent, span, time } from "./format.js";
import { PastHour } from "./pasthour.js";
import { condition, MINUTES, places, strongest, zoneCounts } from "./seen.js";
import { number, t } from "./words.js";

const ZONES = ["near", "medium", "far"];
const LINE = { width: 240, height: 36 };
const MINUTE = 60_000;
const NONE = [];
const chart = (...parts) => svg("svg", { class: "line", viewBox: `0 0 ${LINE.width} ${LINE.height}`, preserveAspectRatio: "none", role: "img" }, ...parts);

function emptyState() {
  return h("div", { class: "empty" },
    h("h2", {}, t("empty.title")), h("p", {}, t("empty.why")),
    h("p", {}, t("empty.pi")), command("blescan | blesend --mode mqtt --broker BROKER"),
    h("p", {}, t("empty.server")), command(`blesub --broker BROKER --client-id backend | bleingest | blews --port ${location.port || "8765"}`),
    h("p", {}, t("empty.replay")), command(`blescan --replay sample.btsnoop --now --speed 1 | blews --stay --port ${location.port || "8765"}`),
    h("p", {}, t("empty.doctor")), command("blescan --doctor"));
}

function noAnswer(why) {
  return h("div", { class: "empty", role: "status" }, h("h2", {}, t("now.no_answer")), h("p", {}, why), h("p", {}, t("empty.why")));
}

function statement(pi, state, now) {
  if (state === "unknown") return pi.stored ? t("now.unknown_since", { time: time(pi.stored.asked, now) }) : t("now.unknown_why");
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
    this.past = svg("path", { class: "past" });
    this.title = svg("title");
    this.stripTitle = svg("title");
    this.strip = svg("svg", { class: "lane strip", role: "img" }, this.stripTitle);
    this.chart = chart(this.title, this.past, this.line);
    this.zones = Object.fromEntries(ZONES.map((zone) => [zone, h("b", { class: zone })]));
    this.element = h("li", { class: "tile" },
      h("h3", {}, this.link), part("state", { class: "state" }), part("place", { class: "place" }), part("heard", { class: "heard" }),
      h("p", { class: "zones" }, ...ZONES.flatMap((zone) => [this.zones[zone], ` ${t(zone)} `])),
      this.chart, this.strip,
      h("dl", {}, fact("listens"), fact("clock"), fact("strongest", { class: "unseen" })), part("trouble", { class: "trouble" }));
  }

  draw(pi, now, past) {
    const state = condition(pi, now);
    const current = ["listening", "late"].includes(state) && pi.counted;
    setAttribute(this.element, "data-state", state);
    setText(this.link, pi.name || pi.id);
    setAttribute(this.link, "href", `#/live?device=${encodeURIComponent(pi.id)}`);
    setText(this.state, t(`now.${state}`, { n: 1 }));
    setText(this.place, [pi.name ? pi.id : "", pi.place].filter(Boolean).join(" · "));
    setText(this.heard, statement(pi, state, now));
    const counts = zoneCounts(pi), level = strongest(pi);
    for (const zone of ZONES) setText(this.zones[zone], current ? number(counts[zone]) : t("unknown"));
    setText(this.strongest, current && level !== null ? `${dbm(level)} dBm` : t("unknown"));
    const part = pi.windowMs && pi.intervalMs ? Math.min(1, pi.windowMs / pi.intervalMs) : null;
    setText(this.listens, part === null ? t("unknown") : `${percent(part)} %`);
    setAttribute(this.listens, "title", part === null ? "" : t("now.listens_of", { window: span(pi.windowMs), interval: span(pi.intervalMs) }));
    setText(this.clock, ["synced", "unsynced"].includes(pi.clock) ? t(`now.clock.${pi.clock}`) : t("unknown"));
    this.clock.classList.toggle("bad", pi.clock === "unsynced");
    setText(this.trouble, [pi.lost ? t("now.lost", { n: pi.lost, reason: pi.reason }) : "", pi.twoAtOnce ? t("now.two_at_once") : ""].filter(Boolean).join("; "));
    this.drawLine(pi, now, past.lines.get(pi.id) ?? NONE);
    this.drawStrip(past.stretches.get(pi.id) ?? NONE, now);
  }

  // A stretch for each run of minutes that are known: what is not known is no zero. Before what this page has seen comes what is stored.
  drawLine(pi, now, past) {
    const oldest = Math.floor(now / MINUTE) - MINUTES + 1, seenFrom = Math.min(...pi.hour.keys()) * MINUTE;
    const before = past.filter(({ from }) => from < seenFrom);
    const most = Math.max(1, ...pi.hour.values(), ...before.map(({ advertisers }) => advertisers));
    const x = (minute) => (minute - oldest + 0.5) / MINUTES * LINE.width, y = (value) => LINE.height - 2 - value / most * (LINE.height - 4);
    const known = Array.from({ length: MINUTES }, (_, i) => pi.hour.has(oldest + i) ? { x: x(oldest + i), y: y(pi.hour.get(oldest + i)) } : null);
    setAttribute(this.line, "d", line(known, 2));
    setAttribute(this.past, "d", line(steps(before, oldest * MINUTE, seenFrom, x, y), 0));
    setText(this.title, t("now.hour", { n: pi.hour.size, most: pi.hour.size ? most : 0 }));
  }

  // When it listened, by what is stored.
  drawStrip(stretches, now) {
    const minute = Math.floor(now / MINUTE);
    if (this.stripOf === stretches && this.stripAt === minute) return;
    Object.assign(this, { stripOf: stretches, stripAt: minute });
    setAttribute(this.strip, "class", stretches.length ? "lane strip" : "lane strip none");
    const from = now - MINUTES * MINUTE, at = (time) => Math.max(0, Math.min(100, (time - from) / (now - from) * 100));
    const sums = { listening: 0, silent: 0, gap: 0 };
    this.strip.replaceChildren(this.stripTitle, ...stretches.filter(({ until }) => until > from).map(({ what, from: begin, until }) => {
      sums[what] += Math.min(until, now) - Math.max(begin, from);
      return svg("rect", { class: what, x: `${at(begin)}%`, width: `${Math.max(0.5, at(until) - at(begin))}%`, y: "0", height: "100%" });
    }));
    setText(this.stripTitle, stretches.length ? t("now.strip", { listening: span(sums.listening), silent: span(sums.silent), gap: span(sums.gap) }) : t("unknown"));
  }
}

// Steps of five minutes, as points of a line that is broken where nobody listened; up to `end`.
function steps(rows, begin, end, x, y) {
  return rows.filter(({ from, until }) => until > begin && from < end).flatMap(({ from, until, advertisers }, i, all) => {
    const points = [from, Math.min(until, end)].map((at) => ({ x: Math.max(0, x(at / MINUTE)), y: y(advertisers) }));
    return i && from > all[i - 1].until ? [null, ...points] : points;
  });
}

// Each run of points becomes a stretch, which begins `lead` before its first.
function line(points, lead) {
  let path = "", before = null;
  for (const point of points) {
    if (point) path += before ? `L${point.x.toFixed(1)} ${point.y.toFixed(1)}` : `M${(point.x - lead).toFixed(1)} ${point.y.toFixed(1)}H${point.x.toFixed(1)}`;
    before = point;
  }
  return path || "M0 0";
}

function placeRow() {
  const cells = { place: h("th", { scope: "row" }) };
  for (const name of ["pis", ...ZONES]) cells[name] = h("td", { class: "number" });
  const link = h("a"), path = svg("path", { class: "past" }), title = svg("title");
  cells.place.append(link);
  const hour = h("td", { class: "hour" }, chart(title, path));
  return { cells, link, path, title, element: h("tr", {}, ...Object.values(cells), hour) };
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
    this.past = new PastHour({ seen, feed }, () => this.draw());
    this.summary = h("p", { class: "summary" });
    this.list = h("ul", { class: "tiles" });
    this.body = h("tbody");
    this.noAnswer = h("p", { class: "said busy", role: "status", hidden: true });
    this.content = [
      this.noAnswer, this.summary,
      h("section", { "aria-labelledby": "pis-title", class: "pis" }, h("h2", { id: "pis-title" }, t("now.pis_title")), this.list,
        h("p", { class: "note" }, t("now.hour_title", { time: time(seen.since) })), this.pastNote = h("p", { class: "note" }, t("now.past_title"))),
      this.placesCard = h("section", { "aria-labelledby": "places-title", class: "card occupancy" }, h("h2", { id: "places-title" }, t("now.places")),
        h("table", { class: "places" },
          h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("now.place")), h("th", { scope: "col", class: "number" }, t("now.pis")),
            ...ZONES.map((zone) => h("th", { scope: "col", class: "number" }, t(zone))), h("th", { scope: "col", class: "hour" }, t("now.last_hour")))), this.body),
        h("p", { class: "note" }, t("now.places_note"))),
    ];
  }

  // What stands here instead of tiles, while there are none.
  instead() {
    if (this.seen.pis.size) return "";
    if (this.feed.history && !this.past.known) return "wait.connecting";
    if (this.feed.state === "open" && this.past.why()) return `no_answer ${this.past.why()}`;
    return { open: "empty", connecting: "wait.connecting", lost: "wait.lost" }[this.feed.state];
  }

  draw() {
    this.past.step();
    const instead = this.instead();
    if (instead !== this.shown) {
      this.shown = instead;
      if (instead === "") this.root.replaceChildren(...this.content);
      else if (instead === "empty") this.root.replaceChildren(emptyState());
      else this.root.replaceChildren(instead.startsWith("no_answer") ? noAnswer(this.past.why()) : h("p", { class: "empty" }, t(instead)));
    }
    if (instead) return;
    const why = this.past.why();
    this.noAnswer.hidden = why === "";
    setText(this.noAnswer, why);
    this.placesCard.classList.toggle("without-hour", !this.feed.history);
    this.pastNote.hidden = !this.feed.history;
    const now = this.feed.now();
    const pis = [...this.seen.pis.values()].sort((a, b) => (a.name || a.id).localeCompare(b.name || b.id, undefined, { numeric: true }));
    this.drawSummary(pis, now);
    this.drawTiles(pis, now);
    this.drawPlaces(places(pis, now), now);
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
      tile.draw(pi, now, this.past);
      return tile.element;
    }));
  }

  drawPlaces(list, now) {
    const names = new Set(list.map((one) => one.place));
    for (const name of this.rows.keys()) if (!names.has(name)) this.rows.delete(name);
    arrange(this.body, list.map((one) => {
      if (!this.rows.has(one.place)) this.rows.set(one.place, placeRow());
      const { cells, link, element, ...hour } = this.rows.get(one.place);
      setText(link, one.place || t("now.no_place"));
      if (one.place) setAttribute(link, "href", `#/occupancy?place=${encodeURIComponent(one.place)}`);
      this.drawHour(hour, this.past.places.get(one.place) ?? [], now);
      setText(cells.pis, `${number(one.pis)} / ${number(one.all)}`);
      for (const zone of ZONES) setText(cells[zone], one.pis && this.feed.everOpen ? number(one[zone]) : t("unknown"));  // before that none are told apart
      return element;
    }));
  }

  drawHour({ path, title }, rows, now) {
    const oldest = now - MINUTES * MINUTE, most = Math.max(1, ...rows.map(({ advertisers }) => advertisers));
    const x = (minute) => (minute - oldest / MINUTE) / MINUTES * LINE.width, y = (value) => LINE.height - 2 - value / most * (LINE.height - 4);
    setAttribute(path, "d", line(steps(rows, oldest, now, x, y), 0));
    setText(title, rows.length ? t("now.place_hour", { most, last: rows.at(-1).advertisers }) : t("unknown"));
  }

  leave() {
    this.past.leave();
  }
}

export const now = { name: "now", open: (root, page) => new Now(root, page) };

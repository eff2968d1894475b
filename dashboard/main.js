// The page around its views: the address, the connection's state, the language. A view is {name, open(root, page)}; what it opens has
// draw(), called as things change, and leave(). `history`: it is of a range of time; `below`: the view that leads to it.
// `page`: {seen, feed, params, setParams}. The address says which view, and what it shows.
import { advertiser } from "./advertiser.js";
import { coverage } from "./coverage.js";
import { h, setAttribute, setText } from "./dom.js";
import { Feed } from "./feed.js";
import { span, time, zoneName } from "./format.js";
import { live } from "./live.js";
import { now } from "./now.js";
import { occupancy } from "./occupancy.js";
import { presence } from "./presence.js";
import { condition, Seen } from "./seen.js";
import { chooseLanguage, language, languages, number, t } from "./words.js";

const VIEWS = [now, presence, occupancy, coverage, live, advertiser];
const DRAW_EVERY_MS = 250;  // however many events come
const RATE_OVER_MS = 2000;

const element = (id) => document.getElementById(id);
const feed = new Feed((event, how) => {
  seen.take(event, how);
  changed = true;
});
const seen = new Seen(() => feed.now());
let view = null, opened = null, changed = true, drawn = 0;
let rate = { since: Date.now(), from: 0, shown: 0 };

// "#/live?device=pi-1&q=near" → {view, params}
function parseAddress() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { wanted: VIEWS.find(({ name }) => name === path) ?? VIEWS[0], params: Object.fromEntries(new URLSearchParams(query)) };
}

function address(name, params) {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value)).toString();
  return `#/${name}${query && `?${query}`}`;
}

function open() {
  const { wanted, params } = parseAddress();
  opened?.leave();
  view = wanted;
  // `push`: the one before stays reachable by "back".
  const page = { seen, feed, params, setParams(changed, { push = false } = {}) {
    opened.params = changed;
    history[push ? "pushState" : "replaceState"](null, "", address(view.name, changed));
    pointViews(changed);
  } };
  opened = view.open(element("view"), page);
  pointViews(params);
  document.title = `${t(view.name)} – blepipe`;
  setText(element("title"), t(view.name));
  draw();
}

// The range of time goes along from one view of history to the next.
function pointViews({ since, until }) {
  for (const link of element("views").children) {
    setAttribute(link, "href", address(link.dataset.view, VIEWS.find(({ name }) => name === link.dataset.view).history ? { since, until } : {}));
    if (link.dataset.view === (view.below ?? view.name)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

// All that stands still but for its language.
function label() {
  document.documentElement.lang = language;
  for (const one of document.querySelectorAll("[data-t]")) setText(one, t(one.dataset.t));
  element("views").setAttribute("aria-label", t("views"));
  element("views").replaceChildren(...VIEWS.filter(({ below }) => !below).map(({ name }) => h("a", { href: `#/${name}`, "data-view": name }, t(name))));
  element("language").setAttribute("aria-label", t("choose_language"));
  element("language").replaceChildren(...Object.keys(languages).map((tag) => h("option", { value: tag, lang: tag, selected: tag === language }, languages[tag].language)));
  setText(element("zone"), zoneName());
}

// Green is only what has been heard: a socket that stands says nothing about Pis.
function connection() {
  if (feed.state === "lost") return { name: "lost" };
  if (feed.state === "connecting") return { name: "connecting" };
  if (feed.lagged()) return { name: "lagged", values: { n: feed.missed } };
  const at = feed.now();
  const pis = [...seen.pis.values()].filter((pi) => pi.heard);
  const heard = pis.reduce((last, pi) => Math.max(last, pi.at ?? 0, pi.arrived ?? 0), seen.lastEvent ?? 0);
  if (heard === 0) return { name: "nothing_yet" };
  const values = { span: span(at - heard) };
  const heardNow = pis.some((pi) => ["listening", "late", "behind"].includes(condition(pi, at)));
  return { name: heardNow ? "receiving" : "quiet", values };
}

function drawConnection() {
  const { name, values } = connection();
  const chip = element("connection");
  setAttribute(chip, "data-state", name);
  setText(chip, t(`state.${name}`, values));
  setText(element("say"), t(`say.${name}`));  // for screen readers: changes with the state alone, not each second
  const wait = span(Math.max(0, (feed.nextTry ?? 0) - Date.now()));
  const lost = feed.lostAt === null ? "" : feed.everOpen ? t("banner.lost", { time: time(feed.lostAt), span: wait }) : t("banner.never", { span: wait });
  setText(element("banner"), lost || (feed.missed ? t("banner.lagged", { n: feed.missed }) : ""));
  element("banner").hidden = element("banner").textContent === "";
  document.body.classList.toggle("stale", feed.lostAt !== null && feed.everOpen);
}

function drawFoot() {
  const at = Date.now();
  if (at - rate.since >= RATE_OVER_MS) rate = { since: at, from: seen.detections, shown: Math.round((seen.detections - rate.from) * 1000 / (at - rate.since)) };
  setText(element("events"), number(seen.events));
  setText(element("rate"), number(rate.shown));
  setText(element("missed"), number(feed.missed));
  setText(element("viewers"), feed.viewers === null ? t("unknown") : number(feed.viewers));
}

function draw() {
  changed = false;
  drawn = performance.now();
  drawConnection();
  drawFoot();
  opened.draw();
}

function frame(at) {
  if (changed && at - drawn >= DRAW_EVERY_MS) draw();
  requestAnimationFrame(frame);  // none comes while nobody looks
}

element("language").addEventListener("change", (event) => {
  chooseLanguage(event.target.value);
  label();
  open();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();  // the address is the view's
  element("view").focus();
});
addEventListener("hashchange", () => {
  open();
  element("view").focus({ preventScroll: true });
});
setInterval(() => { changed = true; }, 1000);  // "12 s ago" grows older
label();
feed.start();
open();
requestAnimationFrame(frame);

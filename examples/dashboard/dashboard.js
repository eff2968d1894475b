// Shows what blews sends. Everything that comes from outside is written as text, never as markup.
"use strict";

const LONGEST_LIST = 200;   // detections kept and shown
const MOST_DEVICES = 500;
const MOST_GAPS = 20;
const QUIET_AFTER_S = 120;  // a device this long unheard is greyed

const element = (id) => document.getElementById(id);
const devices = new Map();  // device_id -> {batch, received}, the latest heard last
let detections = [];        // newest first
let gaps = [];
let events = 0, missed = 0, fresh = 0, changed = true;
let socket = null, retry = 0;

function show(id, text) { element(id).textContent = text; }

function state(name, text) {
  element("connection").dataset.state = name;
  show("connection", text);
}

function notice(text) {
  element("notice").hidden = !text;
  show("notice", text);
}

// A name is a string; anything else that stands in its place, an object for instance, is no reason to stop drawing.
function plain(value) {
  return ["string", "number"].includes(typeof value) ? String(value) : "";
}

function cell(row, text, name = "") {
  const td = row.insertCell();
  td.textContent = plain(text);
  if (name) td.className = name;
  return td;
}

function clock(text) {
  const time = new Date(plain(text));
  return Number.isNaN(time.getTime()) ? "" : time.toLocaleTimeString();
}

function ago(milliseconds) {
  const s = Math.max(0, Math.round(milliseconds / 1000));
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  return `${Math.floor(s / 3600)} h ago`;
}

// When it was heard: by its own clock if that is set and not ahead, else when it came.
function heard(device) {
  const time = Date.parse(plain(device.batch.timestamp));
  return device.batch.clock === "unsynced" || Number.isNaN(time) ? device.received : Math.min(time, device.received);
}

function zone(detection) {
  return ["near", "medium", "far"].includes(detection.zone) ? detection.zone : "";
}

function takeBatch(batch) {
  if (typeof batch !== "object" || batch === null || typeof batch.device_id !== "string") return;
  const known = devices.get(batch.device_id)?.batch;
  if (known && known.run_id !== undefined && known.run_id === batch.run_id && known.seq === batch.seq)
    return;  // the snapshot after a lost connection repeats it
  const list = Array.isArray(batch.detections) ? batch.detections.filter((d) => d && typeof d === "object") : [];
  devices.delete(batch.device_id);
  devices.set(batch.device_id, { batch, list, received: Date.now() });
  if (devices.size > MOST_DEVICES) devices.delete(devices.keys().next().value);
  fresh += list.length;
  const shown = list.slice(0, LONGEST_LIST).map((detection) => ({ detection, batch }));
  detections = shown.concat(detections).slice(0, LONGEST_LIST);
}

const handlers = {
  connection_status(data) {
    if (data.status === "live" || data.status === "connected") state("live", "live");
    if (Number.isInteger(data.clients)) show("watching", data.clients);
  },
  detection_event: takeBatch,
  gap_event(data) {
    gaps = [data, ...gaps].slice(0, MOST_GAPS);
  },
  two_at_once_event(data) {
    gaps = [data, ...gaps].slice(0, MOST_GAPS);
  },
  lagged(data) {
    missed += Number(plain(data.missed)) || 0;
    notice(`This page was too slow and missed ${missed} events so far; what is shown is current. The database has them all.`);
  },
  stats_update(data) {
    if (Number.isInteger(data.clients)) show("watching", data.clients);
  },
  error(data) {
    notice(`The server refused a message: ${plain(data.reason)}`);
  },
};

function take(line) {
  let event;
  try {
    event = JSON.parse(line);
  } catch {
    return;
  }
  if (!event || !Object.hasOwn(handlers, event.type) || !event.data || typeof event.data !== "object") return;
  if (event.type.endsWith("_event")) events++;
  handlers[event.type](event.data);
  changed = true;
}

function drawDevices() {
  const body = document.createElement("tbody");
  for (const [id, device] of [...devices].reverse()) {
    const row = body.insertRow();
    const { batch, list } = device;
    const levels = list.map((d) => d.rssi).filter(Number.isFinite);
    const time = heard(device);
    if (Date.now() - time > QUIET_AFTER_S * 1000) row.className = "quiet";
    cell(row, plain(batch.name) ? `${batch.name} (${id})` : id).title = id;
    cell(row, batch.location);
    cell(row, list.length, "number");
    cell(row, levels.length ? `${levels.reduce((a, b) => Math.max(a, b))} dBm` : "–", "number");
    cell(row, ago(Date.now() - time)).title = plain(batch.timestamp);
  }
  element("devices").tBodies[0].replaceWith(body);
  show("devices-count", devices.size || "");
}

function drawDetections() {
  const wanted = element("filter").value.trim().toLowerCase();
  const body = document.createElement("tbody");
  let count = 0;
  for (const { detection, batch } of detections) {
    const name = plain(detection.local_name) || plain(detection.company);
    const hash = plain(detection.device_hash);
    const text = [batch.device_id, batch.name, batch.location, hash, name, detection.zone].map(plain).join(" ").toLowerCase();
    if (wanted && !text.includes(wanted)) continue;
    count++;
    const row = body.insertRow();
    cell(row, clock(detection.timestamp ?? batch.timestamp));
    cell(row, plain(batch.name) || batch.device_id);
    cell(row, name ? `${hash.slice(0, 12)} ${name}` : hash.slice(0, 12), "hash").title = hash;
    cell(row, Number.isFinite(detection.rssi) ? `${detection.rssi} dBm` : "–", "number");
    cell(row, zone(detection), zone(detection));
    cell(row, detection.count, "number");
  }
  element("detections").tBodies[0].replaceWith(body);
  show("detections-count", wanted ? `${count} of ${detections.length}` : detections.length || "");
}

function drawGaps() {
  if (!gaps.length) return;
  element("gaps").replaceChildren(...gaps.map((data) => {
    const item = document.createElement("li");
    const gap = data.gap ?? {};
    const [from, to, reason] = [gap.from_seq, gap.to_seq, gap.reason].map(plain);
    item.textContent = data.run_ids ? `${plain(data.device_id)}: two at once have this name`
      : `${plain(data.device_id)}: batches ${from} to ${to} lost (${reason})`;
    return item;
  }));
}

// Drawn at most a few times a second, however many events come; not at all while nobody looks.
function draw() {
  if (document.hidden) return;
  show("events", events);
  show("missed", missed);
  element("missed").classList.toggle("some", missed > 0);
  if (!element("pause").checked && changed) {
    changed = false;
    drawDetections();
    drawGaps();
    drawDevices();
  }
}

async function explain() {
  try {
    const reply = await fetch("health", { cache: "no-store" });
    if (reply.ok) {
      const page = await fetch(location.pathname, { cache: "no-store", method: "HEAD", redirect: "manual" });
      if (page.status === 401 || page.type === "opaqueredirect") location.assign("login");
    }
  } catch {
    // not reachable: the next try comes anyway
  }
}

function connect() {
  state("connecting", retry ? `connecting again (${retry})` : "connecting");
  const url = new URL("ws", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(url, ["blepipe.ndjson"]);
  let opened = false;
  socket.onopen = () => {
    opened = true;
    retry = 0;
    gaps = [];  // the snapshot brings them again
  };
  socket.onmessage = (message) => {
    if (typeof message.data !== "string") return;
    for (const line of message.data.split("\n")) if (line) take(line);
  };
  socket.onclose = (closed) => {
    const wait = Math.min(30, 2 ** retry) * (0.5 + Math.random() / 2);
    retry++;
    state("lost", `${closed.reason || "no connection"}; next try in ${Math.ceil(wait)} s`);
    setTimeout(connect, wait * 1000);
    if (!opened) explain();
  };
}

element("tools").addEventListener("submit", (event) => event.preventDefault());
element("filter").addEventListener("input", () => { drawDetections(); });
element("pause").addEventListener("change", draw);
document.addEventListener("visibilitychange", draw);
setInterval(draw, 250);
setInterval(() => { changed = true; }, 5000);  // "12 s ago" grows older
setInterval(() => {
  show("rate", Math.round(fresh / 2));
  fresh = 0;
}, 2000);
connect();

// The connection to blews: opened, watched, opened again. What it tells of itself is what is known, not what is hoped. Before it is opened first,
// a short state is asked for, so that a page behind a thin line has each Pi while the whole state is on its way.

const LONGEST_WAIT_S = 30;
const LAGGED_SHOWN_MS = 30_000;
const CONNECT_WITHIN_MS = 20_000;
const STATE_WITHIN_MS = 5000;

export class Feed {
  // take(event, {live, brief}): each event; `live` is false while the server tells what was before; `brief`: without its detections.
  constructor(take) {
    this.take = take;
    this.state = "connecting";  // "connecting", "open", "lost"
    this.everOpen = false;
    this.reopened = 0;          // how often it was opened again
    this.lostAt = null;         // since when there is no connection
    this.nextTry = null;
    this.missed = 0;            // events that the server did not wait with for this page
    this.laggedAt = null;
    this.offset = 0;            // the server's clock less the viewer's, milliseconds
    this.viewers = null;
    this.history = null;        // are questions about what is stored answered?
    this.retry = 0;
    this.socket = this.timer = null;
  }

  // By the server's clock: the viewer's may be wrong.
  now() {
    return Date.now() + this.offset;
  }

  lagged() {
    return this.laggedAt !== null && Date.now() - this.laggedAt < LAGGED_SHOWN_MS;
  }

  start() {
    this.askState().then(() => this.connect());
    setInterval(() => this.watch(), 1000);
    addEventListener("online", () => this.hurry());
  }

  async askState() {
    try {
      const reply = await fetch("state", { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(STATE_WITHIN_MS) });
      if (reply.ok) for (const line of (await reply.text()).split("\n")) if (line) this.line(line, { live: false, brief: true });
    } catch {
      // the connection tells all of it, and why there is none
    }
  }

  connect() {
    this.timer = null;
    this.live = false;
    this.asked = Date.now();
    this.lastMessage = this.lastStats = this.statsEvery = null;
    const url = new URL("ws", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = this.socket = new WebSocket(url, ["blepipe.ndjson"]);
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.retry = 0;
    };
    socket.onmessage = (message) => {
      if (socket !== this.socket || typeof message.data !== "string") return;
      this.lastMessage = Date.now();
      for (const line of message.data.split("\n")) if (line) this.line(line);
    };
    socket.onclose = () => {
      if (socket === this.socket) this.lose(opened);
    };
  }

  lose(opened) {
    this.socket = null;
    this.state = "lost";
    this.lostAt ??= Date.now();
    const wait = Math.min(LONGEST_WAIT_S, 2 ** this.retry++) * (500 + Math.random() * 500);
    this.nextTry = Date.now() + wait;
    this.timer = setTimeout(() => this.connect(), wait);
    if (!opened) this.askForLogin();
  }

  hurry() {
    if (this.timer === null) return;
    clearTimeout(this.timer);
    this.connect();
  }

  // A connection that is cut without a word stays open here for long. The server tells its counters at even times; when they
  // stay away for three of them, nobody is there.
  watch() {
    if (this.socket === null) return;
    const opening = this.socket.readyState === WebSocket.CONNECTING;
    if (opening && Date.now() - this.asked < CONNECT_WITHIN_MS) return;
    if (!opening && (this.statsEvery === null || Date.now() - this.lastMessage < 3 * this.statsEvery + 5000)) return;
    this.socket.close();
    this.lose(!opening);
  }

  line(line, how = { live: this.live, brief: false }) {
    let event;
    try {
      event = JSON.parse(line);
    } catch {
      return;
    }
    const data = event?.data;
    if (typeof event?.type !== "string" || typeof data !== "object" || data === null) return;
    if (event.type === "connection_status") this.status(data);
    else if (event.type === "stats_update") this.stats(data);
    else if (event.type === "lagged") this.lag(data);
    else this.take(event, how);
  }

  status(data) {
    const time = Date.parse(data.timestamp);
    if (!Number.isNaN(time)) this.offset = time - Date.now();
    if (Number.isInteger(data.clients)) this.viewers = data.clients;
    if (["connected", "state"].includes(data.status)) this.history = data.history === true;
    if (data.status !== "live") return;
    if (this.everOpen) this.reopened++;
    this.live = this.everOpen = true;
    this.state = "open";
    this.lostAt = this.nextTry = null;
  }

  stats(data) {
    if (Number.isInteger(data.clients)) this.viewers = data.clients;
    if (this.lastStats !== null) this.statsEvery = Math.max(1000, Date.now() - this.lastStats, this.statsEvery ?? 0);
    this.lastStats = Date.now();
  }

  lag(data) {
    this.missed += Number.isInteger(data.missed) ? data.missed : 1;
    this.laggedAt = Date.now();
  }

  // A WebSocket does not say why it was refused; a page does.
  async askForLogin() {
    try {
      const reply = await fetch(location.pathname, { cache: "no-store", method: "HEAD", redirect: "manual" });
      if (reply.status === 401 || reply.type === "opaqueredirect") location.assign("login");
    } catch {
      // not reachable: the next try comes anyway
    }
  }
}

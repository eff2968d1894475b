// What the database adds to "Now": the Pis that have not been heard since blews was started, when each listened in the last hour, and how many
// were there. It is asked now and then, a question at a time, while somebody looks.
import { ask, pause } from "./api.js";
import { timed } from "./history.js";
import { plain } from "./format.js";
import { t } from "./words.js";

const EVERY_MS = 60_000, LINES_EVERY_MS = 5 * 60_000;
const LAST_HOUR = { since: "1h", limit: 10_000 };

function grouped(rows, key) {
  const groups = new Map();
  for (const row of rows) {
    if (!groups.has(row[key])) groups.set(row[key], []);
    groups.get(row[key]).push(row);
  }
  return groups;
}

// Steps that are over: the one that is not yet has fewer.
const over = (rows, now) => timed(rows).filter(({ until }) => until <= now);

// The places of one location as one, step by step.
function byLocation(rows) {
  const places = new Map();
  for (const { location, from, until, advertisers } of rows) {
    const name = plain(location);
    if (!places.has(name)) places.set(name, new Map());
    const steps = places.get(name);
    steps.set(from, { from, until, advertisers: (steps.get(from)?.advertisers ?? 0) + advertisers });
  }
  return new Map([...places].map(([name, steps]) => [name, [...steps.values()]]));
}

export class PastHour {
  // changed(): there is something new.
  constructor({ seen, feed }, changed) {
    Object.assign(this, { seen, feed, changed, due: 0, linesDue: 0, known: false, trouble: null, failures: 0, aborter: new AbortController() });
    Object.assign(this, { stretches: new Map(), lines: new Map(), places: new Map() });  // by Pi, by Pi, by place
  }

  // To be called now and then.
  step() {
    if (this.failures && this.feed.reopened !== this.reopenedThen) Object.assign(this, { failures: 0, due: 0 });  // blews is there again
    if (!this.feed.history || this.asking || document.hidden || Date.now() < this.due) return;
    this.asking = true;
    const { signal } = this.aborter;
    this.renew().then(() => null, (trouble) => trouble).then((trouble) => {
      if (signal.aborted) return;
      this.failures = trouble ? this.failures + 1 : 0;
      const wait = trouble ? pause(trouble.kind, this.failures) ?? Infinity : EVERY_MS;
      Object.assign(this, { trouble, asking: false, known: true, due: Date.now() + Math.max(wait, EVERY_MS), reopenedThen: this.feed.reopened });
      this.changed();
    });
  }

  // Why the database cannot be asked, and what to do; "" while it can, and where the connection's state says all.
  why() {
    const { kind, message } = this.trouble ?? {};
    if (!kind) return this.trouble ? t("ask.defect", { detail: plain(message) }) : "";
    if (["lost", "login"].includes(kind)) return "";
    if (kind === "no_database") return `${t("ask.no_database")} ${t("ask.no_database_why")} bleingest --db ble.db | blews --db ble.db`;
    return t(`ask.${kind}`, { detail: plain(message) || t("unknown") });
  }

  async renew() {
    const { signal } = this.aborter;
    const pis = (await ask("pis", { limit: 1000 }, signal)).rows;
    this.seen.know(pis);
    this.known = true;
    if (pis.length) this.changed();
    this.stretches = grouped(timed((await ask("coverage", LAST_HOUR, signal)).rows), "device_id");
    const steps = async (by) => over((await ask("occupancy", { ...LAST_HOUR, every: "5m", by }, signal)).rows, this.feed.now());
    this.places = byLocation(await steps("place"));
    this.changed();
    if (Date.now() < this.linesDue) return;
    this.linesDue = Date.now() + LINES_EVERY_MS;
    this.lines = grouped(await steps("device"), "device_id");
    this.changed();
  }

  leave() {
    this.aborter.abort();
  }
}

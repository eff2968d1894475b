// What views of history share: the range of time and the filters in the address, the questions, and what is said while there is no answer.
// A view has build(), once; questions(): {name: [question, arguments, "aside": the view stands without it]}, of which the first says whether
// there is anything; show(answers), where one aside may have {trouble};
// `unheard`: what is said when there are no rows although Pis listened; remark(answers): what else is to be said.
import { ask, pause, Trouble } from "./api.js";
import { command, h, setText } from "./dom.js";
import { milliseconds, placeOf, plain, time } from "./format.js";
import { Picker } from "./picker.js";
import { rangeOf, renewal, scaled } from "./range.js";
import { t } from "./words.js";

const SAY_LOADING_MS = 300, SAY_SLOW_MS = 4000, TOLD_EVERY_MS = 2000;
export const MOST_ROWS = 10_000;  // of an answer, as many as there may be

async function askAside(question, asked, signal) {
  try {
    return { ...await ask(question, asked, signal), aside: true };
  } catch (trouble) {
    if (signal.aborted || !(trouble instanceof Trouble)) throw trouble;
    return { rows: [], aside: true, trouble };
  }
}

export class HistoryView {
  constructor(root, page, usual) {
    Object.assign(this, { page, usual, params: page.params, timers: [], shown: false, failures: 0 });
    this.range = rangeOf(this.params, usual, this.now());
    this.picker = new Picker((params) => this.zoom(params), () => this.now());
    this.filters = h("div", { class: "tools" });
    this.wrong = h("p", { class: "not-valid", role: "status" });
    this.said = h("div", { class: "said", role: "status" });
    this.body = h("div", { class: "history", hidden: true });
    this.build();
    root.replaceChildren(h("div", { class: "asked" }, this.filters, this.picker.element), this.wrong, this.said, this.body);
    this.load();
    this.askPis();
  }

  now() {
    return this.page.feed.now();
  }

  // Another range of time; "back" leads to the one before.
  zoom(range) {
    this.change(range, { push: true });
  }

  change(params, how) {
    this.page.setParams({ ...this.params, ...params }, how);
    this.failures = 0;
    this.load();
  }

  // Makes a choice of `device` or `place`, to be filled by askPis().
  filter(name) {
    const select = h("select", { "aria-label": t(`filter.${name}`), on: { change: () => this.change({ [name]: select.value }) } },
      h("option", { value: "" }, t(`filter.all_${name}`)));
    (this.selects ??= {})[name] = select;
    this.offer(select, name, []);
    this.filters.append(select);
  }

  offer(select, name, choices) {
    const asked = this.params[name] ?? "";
    const all = new Map(choices);
    if (asked && !all.has(asked)) all.set(asked, asked);
    const sorted = [...all].sort(([, a], [, b]) => a.localeCompare(b, undefined, { numeric: true }));
    select.replaceChildren(select.options[0], ...sorted.map(([value, text]) => h("option", { value }, text)));
    select.value = asked;
  }

  async askPis() {
    if (!this.selects) return;
    try {
      const { rows } = await ask("pis", { limit: MOST_ROWS });
      const { device, place } = this.selects;
      if (device) this.offer(device, "device", rows.map((pi) => [pi.device_id, [pi.device_id, placeOf(pi)].filter(Boolean).join(" · ")]));
      if (place) this.offer(place, "place", rows.flatMap((pi) => [pi.name, pi.location]).map(plain).filter(Boolean).map((text) => [text, text]));
    } catch {
      // the view itself says why there is no answer
    }
  }

  async load() {
    this.stop();
    const { signal } = this.aborter = new AbortController();
    this.range = rangeOf(this.params, this.usual, this.now());
    setText(this.wrong, this.range.wrong ? t("range.not_valid") : "");
    this.picker.draw(this.range);
    this.later(() => this.say("loading"), SAY_LOADING_MS);
    this.later(() => this.say("still_loading"), SAY_SLOW_MS);
    try {
      const questions = Object.entries(this.questions());
      const found = await Promise.all(questions.map(([, [question, asked, aside]]) => (aside ? askAside : ask)(question, asked, signal)));
      const answers = Object.fromEntries(questions.map(([name], i) => [name, found[i]]));
      const nothing = questions.length && await this.nothing(found[0], signal);
      this.forgetTimers();
      this.failures = 0;
      this.tell(nothing, answers);
      if (renewal(this.range)) this.later(() => this.renew(), renewal(this.range));
    } catch (trouble) {
      if (signal.aborted) return;
      this.forgetTimers();
      this.fail(trouble);
    }
  }

  tell(nothing, answers) {
    const cut = Object.values(answers).filter((answer) => answer.more && !answer.aside), [more] = cut;
    this.answered = this.toldAt = this.now();
    const deleted = Object.values(answers).some((answer) => answer.deleted) && "deleted";
    this.say(nothing || (more ? this.cut ?? "more" : deleted || this.remark(answers)), { n: more?.rows.length });
    this.range.from = Math.max(this.range.from, ...cut.map(beginning));
    this.body.hidden = Boolean(nothing);
    this.shown = !nothing;
    if (!nothing) this.show(answers);
  }

  remark() {
    return "";
  }

  // Why an answer has no rows: since nobody was heard, nobody listened, or nothing is stored at all.
  async nothing({ rows, listened }, signal) {
    if (rows.length) return "";
    if ((await ask("pis", { limit: 1 }, signal)).rows.length === 0) return "empty";
    return listened ? this.unheard : "nobody_listened";
  }

  fail(trouble) {
    const kind = trouble.kind ?? "defect";
    if (kind === "defect") console.error(trouble);
    this.say(kind, { detail: plain(trouble.message), time: time(this.answered ?? null) });
    this.body.hidden = !this.shown || !["lost", "busy"].includes(kind);
    this.reopenedThen = this.page.feed.reopened;
    const wait = pause(kind, ++this.failures);
    if (wait !== null && (["lost", "busy"].includes(kind) || renewal(this.range))) this.later(() => this.renew(), wait);
  }

  // Nobody is asked on behalf of a page that nobody looks at.
  renew() {
    if (!document.hidden) this.load();
    else document.addEventListener("visibilitychange", () => this.load(), { once: true, signal: this.aborter.signal });
  }

  // `kind`: "" or what is to be said. The same again is not said again, to screen readers either.
  say(kind, values = {}) {
    const key = JSON.stringify([kind, values, this.shown]);
    if (key === this.saidLast) return;
    this.saidLast = key;
    const text = (name) => h("p", {}, t(`ask.${name}`, values));
    const long = {
      no_database: () => [h("h2", {}, t("ask.no_database")), text("no_database_why"), command("bleingest --db ble.db | blews --db ble.db"),
                          text("no_database_other"), command("blews --db ble.db --stay </dev/null")],
      empty: () => [h("h2", {}, t("ask.empty")), text("empty_why"), command("blescan | bleingest --db ble.db"),
                    text("empty_replay"), command("blescan --replay sample.btsnoop --now | bleingest --db ble.db"),
                    text("empty_doctor"), command("bleingest --doctor --db ble.db")],
      slow: () => [text("slow"), h("button", { type: "button", on: { click: () => this.zoom(scaled(this.range, 0.5, this.now())) } }, t("ask.shorter"))],
      nobody_listened: () => [text("nobody_listened"),
                              h("p", {}, h("a", { href: `#/coverage?${new URLSearchParams(this.range.asked)}` }, t("ask.see_coverage")))],
    };
    const kept = this.shown && ["lost", "busy"].includes(kind) && this.answered;
    this.said.className = `said ${["no_database", "empty"].includes(kind) ? "empty" : kind}`;
    this.said.replaceChildren(...(kind === "" ? [] : long[kind]?.() ?? [text(kind)]), ...(kept ? [h("p", {}, t("ask.from", { time: time(this.answered) }))] : []));
  }

  later(what, ms) {
    this.timers.push(setTimeout(what, ms));
  }

  forgetTimers() {
    this.timers.splice(0).forEach(clearTimeout);
  }

  stop() {
    this.forgetTimers();
    this.aborter?.abort();
  }

  // What could not be answered may be once blews is there again.
  draw() {
    if (this.shown && this.now() - this.toldAt >= TOLD_EVERY_MS) {
      this.toldAt = this.now();
      this.heard();
    }
    if (!this.failures || this.page.feed.reopened === this.reopenedThen) return;
    this.failures = 0;
    this.load();
  }

  // What is heard live may tell names after the answer came.
  heard() {}

  leave() {
    this.stop();
  }
}

// Where the rows begin: of an answer that is cut, nothing is known of before.
function beginning({ rows }) {
  const times = rows.map(({ from }) => milliseconds(from)).filter((at) => at !== null);
  return times.length ? Math.min(...times) : -Infinity;
}

// Rows whose times are numbers.
export function timed(rows) {
  return rows.map((row) => ({ ...row, from: milliseconds(row.from), until: milliseconds(row.until) }));
}

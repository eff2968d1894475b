// Chooses the range of time of a view: the last hours or days, from one time to another, earlier, later, wider.
import { h, setAttribute, setText } from "./dom.js";
import { rangeText } from "./format.js";
import { fixed, moved, PRESETS, scaled } from "./range.js";
import { t } from "./words.js";

const pad = (value) => String(value).padStart(2, "0");

// As an input of a local time has it.
function localText(at) {
  const date = new Date(at);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}T${pad(date.getHours())}:${pad(date.getMinutes())}`;
}

export class Picker {
  // choose({since, until}): what the address has from then on. now(): the time, by the server's clock.
  constructor(choose, now) {
    this.choose = choose;
    const button = (name, sign, to) =>
      h("button", { type: "button", "aria-label": t(`range.${name}`), title: t(`range.${name}`), on: { click: () => choose(to(this.range)) } }, sign);
    this.presets = PRESETS.map((preset) => h("button", { type: "button", on: { click: () => choose({ since: preset, until: "" }) } }, t(`range.${preset}`)));
    this.shown = h("span", { class: "span" });
    this.from = h("input", { type: "datetime-local" });
    this.to = h("input", { type: "datetime-local" });
    const form = h("form", { on: { submit: (event) => this.apply(event) } },
      h("label", {}, t("range.from"), this.from), h("label", {}, t("range.to"), this.to), h("button", { type: "submit" }, t("range.apply")));
    this.own = h("details", { class: "own" }, h("summary", {}, this.shown), form);
    this.own.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.own.open) return;
      this.own.open = false;
      this.own.querySelector("summary").focus();
    });
    this.element = h("div", { class: "picker", role: "group", "aria-label": t("range.title") },
      h("div", { class: "segments" }, ...this.presets),
      h("div", { class: "segments" },
        button("earlier", "◀", (range) => moved(range, -1, now())), button("later", "▶", (range) => moved(range, 1, now())),
        button("wider", "−", (range) => scaled(range, 2, now()))),
      this.own);
    this.now = now;
  }

  draw(range) {
    this.range = range;
    PRESETS.forEach((preset, i) => setAttribute(this.presets[i], "aria-pressed", String(preset === range.preset)));
    setText(this.shown, rangeText(range.from, range.to));
    if (this.own.open) return;  // somebody is about to type
    this.from.value = localText(range.from);
    this.to.value = localText(range.to);
  }

  apply(event) {
    event.preventDefault();
    const from = new Date(this.from.value).getTime(), to = new Date(this.to.value).getTime();
    const wrong = Number.isNaN(from) || Number.isNaN(to) || to <= from;
    this.to.setCustomValidity(wrong ? t("range.wrong") : "");
    if (wrong) {
      this.to.reportValidity();
      this.to.addEventListener("input", () => this.to.setCustomValidity(""), { once: true });
      return;
    }
    this.own.open = false;
    this.choose(fixed(from, to, Math.max(to, this.now())));
  }
}

// A lane for each Pi, over time: stretches of a kind ("listening", "heard", "silent", "gap") side by side, with the times below.
import { ticks } from "./axis.js";
import { h, setAttribute, setText, svg } from "./dom.js";
import { moment } from "./format.js";
import { t } from "./words.js";
import { zoomable, zoomLabel } from "./zoom.js";

const TICK_PX = 62;

export class Lanes {
  constructor(view) {
    this.view = view;
    this.list = h("ul", { class: "lane-list" });
    this.axis = h("div", { class: "axis", "aria-hidden": "true" });
    this.element = zoomable(h("div", { class: "lanes", "aria-label": zoomLabel(t("lanes.label")) }, this.list, this.axis), () => this.area(), view);
    this.lanes = [];
    this.resized = new ResizeObserver(() => this.drawAxis());
    this.resized.observe(this.axis);
  }

  area() {
    const outer = this.element.getBoundingClientRect(), inner = this.axis.getBoundingClientRect();
    return { left: inner.left - outer.left, right: inner.right - outer.left };
  }

  // [{name, title, href, text: what it says in words, spans: [{kind, from, until, title}]}]
  draw(lanes) {
    while (this.list.children.length > lanes.length) this.list.lastElementChild.remove();
    while (this.list.children.length < lanes.length)
      this.list.append(h("li", {}, h("a", { class: "name" }), svg("svg", { class: "lane", role: "img" })));
    lanes.forEach(({ name, title, href, text, spans }, i) => {
      const [link, lane] = this.list.children[i].children;
      setText(link, name);
      setAttribute(link, "title", title);
      setAttribute(link, "href", href);
      setAttribute(lane, "aria-label", text);
      lane.replaceChildren(...spans.map((span) => this.rect(span)).filter(Boolean));
    });
    this.drawAxis();
  }

  rect({ kind, from, until, title }) {
    const { range } = this.view, length = range.to - range.from;
    const begin = Math.max(0, (from - range.from) / length * 100), end = Math.min(100, (until - range.from) / length * 100);
    if (end <= begin) return null;
    return svg("rect", { class: kind, x: `${begin.toFixed(3)}%`, width: `${Math.max(0.1, end - begin).toFixed(3)}%`, y: "0", height: "100%" },
      svg("title", {}, `${title}: ${moment(from)} – ${moment(until)}`));
  }

  drawAxis() {
    const { from, to } = this.view.range;
    this.axis.replaceChildren(...ticks(from, to, Math.max(2, Math.floor(this.axis.clientWidth / TICK_PX))).map(({ at, text }) => {
      const tick = h("span", {}, text);
      const part = (at - from) / (to - from);
      tick.style.left = `${part * 100}%`;
      if (part < 0.03 || part > 0.97) tick.className = part < 0.5 ? "first" : "last";
      return tick;
    }));
  }

  leave() {
    this.resized.disconnect();
  }
}

// Makes a stretch of time in a chart choosable: by dragging over it, and by keys (arrows move, + and - zoom).
import { h } from "./dom.js";
import { fixed, moved, scaled } from "./range.js";
import { t } from "./words.js";

const LEAST_PX = 6;  // less is a click

// `plot`: the element. area(): the part of it that has the times, {left, right} in px from its left edge. view: {range, now(), zoom(params)}.
export function zoomable(plot, area, view) {
  const band = h("div", { class: "band", hidden: true });
  let start = null;
  const within = (event) => {
    const { left, right } = area();
    return Math.min(right, Math.max(left, event.clientX - plot.getBoundingClientRect().left));
  };
  const timeAt = (x) => {
    const { left, right } = area(), { from, to } = view.range;
    return from + (x - left) / Math.max(1, right - left) * (to - from);
  };
  const stop = () => {
    start = null;
    band.hidden = true;
  };
  plot.append(band);
  plot.classList.add("zoomable");
  plot.tabIndex = 0;
  plot.setAttribute("role", "group");
  plot.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target.closest("a")) return;
    start = within(event);
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const x = within(event);
    band.hidden = Math.abs(x - start) < LEAST_PX;
    band.style.left = `${Math.min(x, start)}px`;
    band.style.width = `${Math.abs(x - start)}px`;
  });
  plot.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const [from, to] = [start, within(event)].sort((a, b) => a - b);
    stop();
    if (to - from >= LEAST_PX) view.zoom(fixed(timeAt(from), timeAt(to), view.now()));
  });
  plot.addEventListener("pointercancel", stop);
  plot.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target !== plot) return;
    const { range } = view, now = view.now();
    const to = { ArrowLeft: () => moved(range, -0.25, now), ArrowRight: () => moved(range, 0.25, now), "+": () => scaled(range, 0.5, now), "=": () => scaled(range, 0.5, now),
                 "-": () => scaled(range, 2, now) }[event.key];
    if (event.key === "Escape") stop();
    if (!to) return;
    event.preventDefault();
    view.zoom(to());
  });
  return plot;
}

// What a chart that can be zoomed is called.
export function zoomLabel(text) {
  return `${text}. ${t("zoom.keys")}`;
}

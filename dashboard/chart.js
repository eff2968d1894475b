// A chart over time, drawn by Chart.js as Debian has it. While that library is not there nothing is drawn, and the table beside it has the
// numbers.
import { ticks } from "./axis.js";
import { h, setAttribute, setText } from "./dom.js";
import { moment } from "./format.js";
import { number, t } from "./words.js";
import { zoomable, zoomLabel } from "./zoom.js";

const TICK_PX = 62, TRY_AGAIN_MS = 10_000;

let loading = null, failures = 0;
// Resolves to "" when Chart.js is there; to "missing" when it is not installed, "lost" when it could not be fetched.
function load() {
  // A browser keeps that an address had no module.
  loading ??= import(`./chart.min.js${failures ? `?${failures}` : ""}`).then(() => "", async () => {
    failures++;
    loading = null;
    const reply = await fetch("chart.min.js", { method: "HEAD", cache: "no-store" }).catch(() => null);
    return reply?.status === 404 ? "missing" : "lost";
  });
  return loading;
}

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// `draw` again when light becomes dark. Returns what ends that.
export function onColours(draw) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", draw);
  return () => dark.removeEventListener("change", draw);
}

// Times that are shaded: [{from, until, alpha}].
const shades = {
  id: "shades",
  beforeDatasetsDraw({ ctx, chartArea: { top, bottom, left, right }, scales: { x }, options }) {
    ctx.save();
    ctx.fillStyle = colour("shade");
    for (const { from, until, alpha } of options.shades ?? []) {
      const begin = Math.max(left, x.getPixelForValue(from)), end = Math.min(right, x.getPixelForValue(until));
      ctx.globalAlpha = alpha;
      if (end > begin) ctx.fillRect(begin, top, end - begin, bottom - top);
    }
    ctx.restore();
  },
};

export class TimeChart {
  // view: {range, now(), zoom(params)}. `stacked`: areas; `unit` of the values.
  constructor(view, { stacked = false, unit = "" } = {}) {
    Object.assign(this, { view, stacked, unit, chart: null, drawn: null });
    this.canvas = h("canvas", { role: "img" });
    this.plot = zoomable(h("div", { class: `plot${stacked ? " low" : ""}` }, this.canvas), () => this.area(), view);
    this.missing = h("p", { class: "note", hidden: true });
    this.element = h("div", { class: "chart" }, this.plot, this.missing);
    this.forget = onColours(() => this.redraw());
  }

  area() {
    return this.chart?.chartArea ?? { left: 0, right: this.plot.clientWidth };
  }

  // `text`: what the chart says, for who cannot see it. `datasets`: as Chart.js has them, of points {x, y}; `shaded`: as above.
  async draw(text, datasets, shaded = []) {
    this.drawn = { text, datasets, shaded };
    setAttribute(this.canvas, "aria-label", text);
    setAttribute(this.plot, "aria-label", zoomLabel(t("chart.label")));
    const trouble = await load();
    if (this.drawn?.datasets !== datasets) return;
    this.plot.hidden = trouble !== "";
    this.missing.hidden = trouble === "";
    setText(this.missing, trouble && t(`chart.${trouble}`));
    clearTimeout(this.again);
    if (trouble === "lost") this.again = setTimeout(() => this.draw(text, datasets, shaded), TRY_AGAIN_MS);
    this.redraw();
  }

  redraw() {
    const { Chart } = globalThis;
    if (!this.drawn || !Chart) return;
    const options = this.options(), data = { datasets: this.drawn.datasets.map((one) => this.coloured(one)) };
    if (!this.chart) {
      this.chart = new Chart(this.canvas, { type: "line", data, options, plugins: [shades] });
      return;
    }
    Object.assign(this.chart, { options });
    this.chart.data = data;
    this.chart.update("none");
  }

  coloured({ colour: name, ...dataset }) {
    const line = colour(name);
    return { ...dataset, borderColor: line, backgroundColor: this.stacked ? `${line}73` : line, borderWidth: this.stacked ? 1 : 1.5 };
  }

  options() {
    const { from, to } = this.view.range, grid = { color: colour("line") }, text = { color: colour("soft") };
    const times = new Map();
    return {
      animation: false, parsing: false, normalized: true, maintainAspectRatio: false, shades: this.drawn.shaded,
      interaction: { mode: this.stacked ? "index" : "nearest", axis: "x", intersect: false },
      elements: { line: { tension: 0 } },
      scales: {
        x: { type: "linear", min: from, max: to, grid, afterBuildTicks: (axis) => {
          const found = ticks(from, to, Math.max(2, Math.floor(axis.width / TICK_PX)));
          for (const { at, text: label } of found) times.set(at, label);
          axis.ticks = found.map(({ at }) => ({ value: at }));
        }, ticks: { ...text, callback: (at) => times.get(at) ?? "", maxRotation: 0, autoSkip: false } },
        y: { stacked: this.stacked, beginAtZero: this.stacked, grid, 
             ticks: { ...text, precision: 0, maxTicksLimit: 6, callback: (value) => number(value).replace("-", "−") },
             title: { display: this.unit !== "", text: this.unit, ...text }, afterFit: (axis) => { axis.width = Math.max(axis.width, 44); } },
      },
      plugins: { legend: { display: false }, tooltip: { animation: false, callbacks: {
        title: (items) => items.length ? moment(items[0].raw.at ?? items[0].raw.x) : "",
        label: ({ dataset, raw }) => `${dataset.label}: ${raw.text ?? number(raw.y)}` } } },
    };
  }

  leave() {
    this.forget();
    clearTimeout(this.again);
    this.drawn = null;
    this.chart?.destroy();
  }
}

// What the colours of a chart mean: [{kind, text, sign: as the points are marked}].
export class Legend {
  constructor() {
    this.element = h("ul", { class: "legend" });
  }

  draw(entries) {
    while (this.element.children.length > entries.length) this.element.lastElementChild.remove();
    while (this.element.children.length < entries.length) this.element.append(h("li", {}, h("i", { "aria-hidden": "true" }), h("span")));
    entries.forEach(({ kind, text, sign = "" }, i) => {
      const [mark, words] = this.element.children[i].children;
      setAttribute(mark, "class", `${sign && "mark "}sign-${kind}`);
      setText(mark, sign);
      setText(words, text);
    });
  }
}

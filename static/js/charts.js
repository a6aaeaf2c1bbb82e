// Draws every [data-chart] from the figure in the JSON block it names, in the theme's colours.
// A figure says its colours as var(--token); a click on a point opens the address in that point's cell of the table.
(() => {
  "use strict";

  const settings = { displayModeBar: false, responsive: true };

  /** Return what a CSS colour is in the current theme, as rgb(): plotly.js knows neither var() nor light-dark(). */
  const resolver = () => {
    const probe = document.createElement("span");
    document.body.append(probe);
    const known = new Map();
    const resolve = (colour) => {
      if (!known.has(colour)) {
        probe.style.color = colour;
        known.set(colour, getComputedStyle(probe).color);
      }
      return known.get(colour);
    };
    const walk = (value) => {
      if (typeof value === "string") return value.startsWith("var(--") ? resolve(value) : value;
      if (Array.isArray(value)) return value.map(walk);
      if (value && typeof value === "object") {
        return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner)]));
      }
      return value;
    };
    return { walk, done: () => probe.remove() };
  };

  /** Return the link in the table's cell of this point: columns are series, rows are times, newest first. */
  const linkOf = (place, point) => {
    const rows = place.closest(".chart").querySelectorAll("tbody tr");
    return rows[rows.length - 1 - point.pointIndex]?.cells[point.curveNumber + 1]?.querySelector("a");
  };

  const open = (place) => (event) => {
    const link = event.points.length && linkOf(place, event.points[0]);
    if (!link) return;
    if (event.event.ctrlKey || event.event.metaKey) window.open(link.href, "_blank", "noopener");
    else window.location.assign(link.href);
  };

  const draw = (place) => {
    const block = document.getElementById(place.dataset.chart);
    if (!block) return;
    const { walk, done } = resolver();
    const figure = walk(JSON.parse(block.textContent));
    done();
    const font = getComputedStyle(document.body).fontFamily;
    figure.layout.font = { ...figure.layout.font, family: font };
    const first = !place.classList.contains("js-plotly-plot");
    Plotly.react(place, figure.data, figure.layout, settings);
    if (first) place.on("plotly_click", open(place));
  };

  const drawAll = () => document.querySelectorAll("[data-chart]").forEach(draw);

  drawAll();
  document.addEventListener("htmx:load", (event) => event.detail.elt.querySelectorAll?.("[data-chart]").forEach(draw));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
})();

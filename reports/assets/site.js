// Charts in place of the still pictures, in as many columns as fit; tables that sort. Without this file all content shows.
"use strict";

const NARROWEST = 200;
// What a legend is tried with: 0 is one for each entry.
const LEGEND_COLUMNS = [0, 3, 2, 1];
// By how much a picture may be shrunk to fit, as a share of its width: nobody sees it.
const SLACK = 0.01;

// The chart's panels in as many columns as the width holds, each as wide as its share.
function fitted(spec, width, legendColumns) {
  const { spacing, usermeta: { left, square } } = spec;
  const panels = spec.facet.sort.length;
  const most = Math.floor((width - left + spacing) / (NARROWEST + spacing));
  const columns = Math.max(1, Math.min(panels, most));
  const panel = Math.floor((width - left - spacing * (columns - 1)) / columns);
  const inner = { ...spec.spec, width: panel, height: square ? panel : spec.spec.height };
  const config = { ...spec.config, legend: { ...spec.config.legend, columns: legendColumns } };
  return { ...spec, columns, spec: inner, config };
}

async function draw(figure) {
  const place = figure.querySelector(".drawing");
  const still = place.querySelector("img");
  const spec = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
  let drawnAt = 0;
  async function excess(width, room, legendColumns) {
    const options = { actions: false, renderer: "svg", tooltip: { theme: "site" } };
    await vegaEmbed(place, fitted(spec, room, legendColumns), options);
    return place.querySelector("svg").viewBox.baseVal.width - width;
  }
  async function fit() {
    const width = figure.clientWidth;
    if (width === drawnAt || !width) return;
    drawnAt = width;
    still.remove();
    const slack = SLACK * width;
    for (const legendColumns of LEGEND_COLUMNS) {
      const over = await excess(width, width, legendColumns);
      // Its labels may be wider than the chart knows; if narrower panels do not help, it is the legend.
      if (over <= slack || (await excess(width, width - over, legendColumns)) <= slack) break;
    }
    place.classList.add("drawn");
    place.removeAttribute("tabindex"); // nothing left to scroll
    place.removeAttribute("role"); // the picture has one, beside what may steer it
    place.removeAttribute("aria-label");
    const picture = place.querySelector("svg");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", still.alt);
  }
  try {
    let fits = fit();
    await fits;
    new ResizeObserver(() => { fits = fits.then(fit); }).observe(figure);
  } catch (error) {
    place.replaceChildren(still);
    throw error;
  }
}

function sortable(table) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const key = (row, column) => row.cells[column].dataset.sort ?? "";
  headings.forEach((heading, column) => {
    const numeric = [...body.rows].every((row) => key(row, column) === "" || !Number.isNaN(Number(key(row, column))));
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      // Numbers are asked for largest first, names from the start of the alphabet.
      const before = heading.getAttribute("aria-sort");
      const first = numeric ? "descending" : "ascending";
      const other = numeric ? "ascending" : "descending";
      const order = before === first ? other : first;
      headings.forEach((each) => each.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [key(a, column), key(b, column)];
        if (x === "" || y === "") return (x === "") - (y === "");
        return sign * (numeric ? Number(x) - Number(y) : x.localeCompare(y));
      });
      body.append(...rows);
    });
  });
}

document.querySelectorAll("table[data-sortable]").forEach(sortable);
document.querySelectorAll("figure.chart").forEach(draw);

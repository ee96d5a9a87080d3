// What a reader may choose on a page: sliders and lists that show, fill in and order what was computed beforehand. The
// choice is in the address, after the #, so that it can be sent to others. Without this file all content shows.
"use strict";

const controls = [...document.querySelectorAll("[data-choice]")];
const steps = (element) => element.dataset.steps.split("|");
const chosen = (control) => (control.type === "range" ? steps(control)[control.valueAsNumber] : control.value);
const first = new Map(controls.map((control) => [control, control.value]));

function slide(control) {
  control.setAttribute("aria-valuetext", chosen(control));
  control.form.querySelector("output").textContent = chosen(control);
  for (const table of document.querySelectorAll(`table[data-by="${control.name}"]`)) {
    const body = table.tBodies[0];
    for (const cell of body.querySelectorAll("[data-steps]")) {
      cell.querySelector(".value").textContent = steps(cell)[control.valueAsNumber];
    }
    const rank = (row) => Number(steps(row.querySelector("[data-rank]"))[control.valueAsNumber]);
    body.append(...[...body.rows].sort((a, b) => rank(a) - rank(b)));
  }
}

function pick(control) {
  for (const part of document.querySelectorAll(`[data-${control.name}]`)) {
    part.hidden = part.dataset[control.name] !== control.value;
  }
}

function show(control) {
  (control.type === "range" ? slide : pick)(control);
}

// What differs from the page as it opens.
function remember() {
  const differing = controls.filter((control) => control.value !== first.get(control));
  const state = new URLSearchParams(differing.map((control) => [control.name, chosen(control)])).toString();
  history.replaceState(null, "", location.href.split("#")[0] + (state && `#${state}`));
}

// The choice in the address, or the place on the page that it names.
function recall() {
  const hash = decodeURIComponent(location.hash.slice(1));
  const place = document.getElementById(hash);
  const state = new URLSearchParams(place ? "" : hash);
  for (const control of controls) {
    const wanted = state.get(control.name);
    const allowed = control.type === "range" ? steps(control) : [...control.options].map((each) => each.value);
    const known = allowed.includes(wanted);
    const value = control.type === "range" ? allowed.indexOf(wanted) : wanted;
    control.value = known ? value : first.get(control);
    show(control);
  }
  if (!place) return;
  for (const part of document.querySelectorAll("[data-task]")) {
    const control = controls.find((each) => each.name === "task");
    if (part.contains(place) && control) {
      control.value = part.dataset.task;
      show(control);
    }
  }
  const details = place.closest("details");
  if (details) details.open = true;
  place.scrollIntoView();
}

for (const control of controls) {
  control.form.hidden = false;
  control.form.addEventListener("submit", (event) => event.preventDefault());
  control.addEventListener("input", () => { show(control); remember(); });
}
window.addEventListener("hashchange", recall);
recall();

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy);
    const said = button.parentElement.querySelector("[role='status']");
    try {
      await navigator.clipboard.writeText(text.textContent);
      said.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(text);
      said.textContent = "Selected: copy it with the keyboard.";
    }
  });
}

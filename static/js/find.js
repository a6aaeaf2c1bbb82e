// Search inside a trace. Without this script every hit, and the one before and after it, is a link; with it Enter and
// Shift+Enter walk the hits, a hit whose row is on the page is selected there (as are the parent and the siblings of a
// run), and the words are marked in the detail.
const hitsPanel = () => document.querySelector("[data-hits]");
const findForm = () => document.querySelector("form[data-find]");
const findInput = () => findForm()?.elements.namedItem("find");

// The row of a run in the tree, if it is on the page.
const treeRow = (id) => document.querySelector(`.tree-body a.line[href$="run=${CSS.escape(id)}"]`);

function showCurrent(hit) {
  const panel = hitsPanel();
  for (const old of panel.querySelectorAll("a.hit[aria-current]")) old.removeAttribute("aria-current");
  hit.setAttribute("aria-current", "true");
  hit.scrollIntoView({ block: "nearest" });
  for (const number of document.querySelectorAll("[data-hit-number]")) number.textContent = `${hit.dataset.number} of `;
}

// Selects a run whose row is on the page, its ancestors opened; tells whether it is.
function selectRow(id) {
  const row = treeRow(id);
  if (!row) return false;
  for (let list = row.closest("details"); list; list = list.parentElement.closest("details")) list.open = true;
  row.click();
  row.scrollIntoView({ block: "nearest" });
  return true;
}

function openHere(hit) {
  const here = selectRow(hit.dataset.hit);
  if (here) showCurrent(hit);
  return here;
}

// Goes to the hit before (-1) or after (1) the selected one.
function step(by) {
  const panel = hitsPanel();
  if (!panel) return;
  const hits = [...panel.querySelectorAll("a.hit")];
  const at = hits.findIndex((hit) => hit.hasAttribute("aria-current"));
  const link = panel.querySelector(`a[data-hit-step="${by}"]`);
  const hit = at < 0 ? hits.find((one) => one.href === link?.href) : hits[at + by];
  if (hit) {
    if (!openHere(hit)) location.assign(hit.href);
    return;
  }
  const beyond = by > 0 ? panel.dataset.after : panel.dataset.before;
  if (at < 0 && link) location.assign(link.href);
  else if (beyond) location.assign(beyond);
}

document.addEventListener("click", (event) => {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  const hit = event.target.closest("a.hit");
  if (hit && openHere(hit)) event.preventDefault();
  const around = event.target.closest("#detail a[data-run]"); // its parent and siblings
  if (around && selectRow(around.dataset.run)) event.preventDefault();
  const walk = event.target.closest("[data-hit-step]");
  if (walk) {
    event.preventDefault();
    step(Number(walk.dataset.hitStep));
  }
});

document.addEventListener("keydown", (event) => {
  if (event.target !== findInput() || event.metaKey || event.ctrlKey || event.altKey || event.isComposing) return;
  const input = findInput();
  if (event.key === "Enter" && hitsPanel() && input.value.trim() === input.defaultValue.trim()) {
    event.preventDefault();
    step(event.shiftKey ? -1 : 1);
  } else if (event.key === "Escape") {
    event.preventDefault();
    const leave = document.querySelector("[data-find-leave]");
    if (leave) leave.click();
    else {
      input.value = "";
      input.blur();
    }
  }
});

// Marks what was searched for in the selected run, without touching its markup, and brings the first into view.
function markWords() {
  const detail = document.getElementById("detail");
  const text = findInput()?.defaultValue.trim().toLowerCase();
  if (!window.Highlight || !detail || !text) return;
  const found = [];
  const walker = document.createTreeWalker(detail.querySelector("[data-detail]") ?? detail, NodeFilter.SHOW_TEXT);
  while (walker.nextNode() && found.length < 500) {
    const words = walker.currentNode.data.toLowerCase();
    if (words.length !== walker.currentNode.data.length) continue; // a letter whose small form is longer
    for (let at = words.indexOf(text); at >= 0 && found.length < 500; at = words.indexOf(text, at + text.length)) {
      const range = new Range();
      range.setStart(walker.currentNode, at);
      range.setEnd(walker.currentNode, at + text.length);
      found.push(range);
    }
  }
  CSS.highlights.set("found", new Highlight(...found));
  const first = found.find((range) => range.getClientRects().length);
  const box = first?.getBoundingClientRect();
  const room = detail.getBoundingClientRect();
  if (box && (box.bottom > room.bottom || box.top < room.top)) detail.scrollTop += box.top - room.top - room.height / 3;
}

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target?.id === "detail") markWords();
});

document.addEventListener("DOMContentLoaded", () => {
  document.querySelector("a.hit[aria-current]")?.scrollIntoView({ block: "nearest" });
  markWords();
});

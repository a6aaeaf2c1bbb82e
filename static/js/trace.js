// Extras of the trace page; without them every state is still a link. Rows are chosen, lists opened, arrows walk and fold.
// Requests start from here, not from attributes: a page has hundreds of rows, and each attribute costs time to prepare.
const MOST_ROWS = 1950; // what the document may hold; the server sends at most FRESH rows for one list
const FRESH = 400;
const tree = () => document.getElementById("tree");
const detail = () => document.getElementById("detail");
const isSheet = () => getComputedStyle(detail()).position === "fixed";
const modified = (event) => event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;

// A row is seen unless one of the lists above it is folded.
const lines = () => [...tree().querySelectorAll("a.line")].filter((line) => line.offsetParent !== null);

function mark(line) {
  for (const old of tree().querySelectorAll(".line[aria-current]")) old.removeAttribute("aria-current");
  line.setAttribute("aria-current", "true");
}

function focusLine(line) {
  line?.focus({ preventScroll: true });
  line?.scrollIntoView({ block: "nearest" });
}

function choose(line) {
  mark(line);
  detail().classList.add("is-chosen");
  const loaded = htmx.ajax("GET", line.getAttribute("href"), { source: detail(), target: detail(), swap: "innerHTML show:none", push: line.getAttribute("href") });
  return loaded.then(() => (detail().scrollTop = 0));
}

// The lines of one list. A document that would grow past its bound is opened anew around that list instead.
function fetchLines(link, put) {
  if (link.dataset.busy) return;
  if (tree().querySelectorAll(".node").length + FRESH > MOST_ROWS) {
    location.assign(link.href);
    return;
  }
  link.dataset.busy = "true";
  link.setAttribute("aria-busy", "true");
  const box = document.createElement("ul");
  const done = htmx.ajax("GET", link.getAttribute("href").split("#")[0], { target: box, swap: "innerHTML show:none", source: link, push: "false" });
  done.then(() => {
    delete link.dataset.busy;
    link.removeAttribute("aria-busy");
    if (box.childElementCount) put(box);
    recount();
  });
}

function unfold(link) {
  fetchLines(link, (box) => {
    const list = document.createElement("details");
    const summary = document.createElement("summary");
    summary.append(...link.childNodes);
    list.append(summary, box);
    list.open = true;
    const focused = document.activeElement === link;
    link.replaceWith(list);
    if (focused) summary.focus();
  });
}

function goOn(link) {
  const focused = document.activeElement === link;
  fetchLines(link, (box) => {
    const first = box.querySelector("a.line");
    link.closest("li").replaceWith(...box.children);
    if (focused) focusLine(first);
  });
}

function fold(line, open) {
  const item = line.parentElement;
  const list = item.querySelector(":scope > details");
  const later = item.querySelector(":scope > .unfold");
  if (!open && list?.open) list.open = false;
  else if (!open) focusLine(item.parentElement.closest("li")?.querySelector(":scope > a.line"));
  else if (later) unfold(later);
  else if (list && !list.open) list.open = true;
  else if (list) focusLine(list.querySelector("a.line"));
}

// The footer says how many runs are shown: lists that were opened count.
function recount() {
  const shown = document.querySelector("[data-shown]");
  if (shown) shown.textContent = String(tree().querySelectorAll(".node > a.line:not(.line-more)").length).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

function closeDetail() {
  const close = detail().querySelector("[data-close-detail]");
  if (!close || !isSheet()) return false;
  detail().classList.remove("is-chosen");
  history.replaceState(history.state, "", close.href);
  return true;
}

document.addEventListener("click", (event) => {
  if (modified(event) || event.button) return;
  const link = event.target.closest("a");
  if (!link || !(tree().contains(link) || detail().contains(link))) return;
  if (link.matches("#tree .node > a.line:not(.line-more)")) choose(link);
  else if (link.matches("#tree .unfold")) unfold(link);
  else if (link.matches("#tree [data-next]")) goOn(link);
  else if (!link.matches("[data-close-detail]") || !closeDetail()) return;
  else focusLine(tree().querySelector(".line[aria-current]"));
  event.preventDefault();
});

const STEPS = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 };
const SIDES = { ArrowRight: true, ArrowLeft: false };

function walk(line, key) {
  const all = lines();
  const at = line ? all.indexOf(line) : all.findIndex((one) => one.hasAttribute("aria-current"));
  const to = key === "Home" ? 0 : key === "End" ? all.length - 1 : line ? at + STEPS[key] : Math.max(0, at);
  focusLine(all[Math.min(Math.max(0, to), all.length - 1)]);
}

document.addEventListener("keydown", (event) => {
  if (modified(event) || event.target.closest("input, textarea, select, [contenteditable], [popover], dialog, .menu")) return;
  const key = event.key;
  const line = event.target.closest("#tree a.line");
  const chevron = event.target.closest("#tree summary, #tree .unfold")?.closest("li").querySelector(":scope > a.line");
  const outside = event.target === document.body || event.target.closest(".trace-pane") === event.target;
  if (key === "Escape" && detail().contains(event.target)) {
    closeDetail();
    focusLine(tree().querySelector(".line[aria-current]"));
  } else if (!line && !chevron && !outside) return;
  else if (key in STEPS || key === "Home" || key === "End") walk(line || chevron, key);
  else if (key in SIDES && (line || chevron)) fold(line || chevron, SIDES[key]);
  else if (key === "Enter" && line?.matches(":not(.line-more)")) choose(line).then(() => detail().focus());
  else if (key === "Escape" && line && closeDetail()) focusLine(line);
  else return;
  event.preventDefault();
});

document.addEventListener("DOMContentLoaded", () => {
  if (!location.hash) tree()?.querySelector(".line[aria-current]")?.scrollIntoView({ block: "nearest" });
});

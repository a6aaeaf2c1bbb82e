// Extras of the trace page; without them every state is still a link. Arrows walk and fold, Home and End jump,
// the chosen row is marked at once, and a page that has grown past its bound is opened anew instead of growing on.
const MOST_ROWS = 1800;
const tree = () => document.querySelector(".tree-body");
const detail = () => document.getElementById("detail");

// A row is seen unless one of the lists above it is folded.
const seen = (line) => line.offsetParent !== null;
const lines = () => [...tree().querySelectorAll("a.line")].filter(seen);

function mark(line) {
  for (const old of tree().querySelectorAll(".line[aria-current]")) old.removeAttribute("aria-current");
  line.setAttribute("aria-current", "true");
}

function focusLine(line) {
  line?.focus();
  line?.scrollIntoView({ block: "nearest" });
}

function fold(line, open) {
  const list = line.parentElement.querySelector(":scope > details");
  if (open) {
    if (list && !list.open) list.open = true;
    else if (list) focusLine(list.querySelector("a.line"));
  } else if (list?.open) list.open = false;
  else focusLine(line.parentElement.parentElement.closest("li")?.querySelector(":scope > a.line"));
}

document.addEventListener("click", (event) => {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
  const line = event.target.closest(".tree-body a.line:not(.line-more)");
  if (line) {
    mark(line);
    detail().classList.add("is-chosen");
  }
  const close = event.target.closest("[data-close-detail]");
  if (close && getComputedStyle(detail()).position === "fixed") {
    event.preventDefault();
    detail().classList.remove("is-chosen");
    history.replaceState(history.state, "", close.href);
    focusLine(tree().querySelector(".line[aria-current]"));
  }
});

document.addEventListener("htmx:beforeRequest", (event) => {
  const link = event.target.closest?.("[data-more]");
  if (!link || tree().querySelectorAll(".node").length < MOST_ROWS) return;
  event.preventDefault();
  location.assign(link.href);
});

// The footer says how many runs are shown: lists that were opened count.
function recount() {
  const shown = document.querySelectorAll(".tree-body a.line:not(.line-more)").length;
  document.querySelector("[data-shown]").textContent = String(shown).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target?.id === "detail") detail().scrollTop = 0;
  else recount();
});

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || event.shiftKey) return;
  const line = event.target.closest?.(".tree-body a.line");
  const first = !line && event.target === document.body && (event.key === "ArrowDown" || event.key === "ArrowUp");
  if (!line && !first) return;
  const all = lines();
  const at = line ? all.indexOf(line) : all.findIndex((one) => one.hasAttribute("aria-current")) - 1;
  const moves = { ArrowDown: at + 1, ArrowUp: Math.max(0, at - 1), Home: 0, End: all.length - 1 };
  if (event.key in moves) focusLine(all[Math.min(moves[event.key], all.length - 1)]);
  else if (event.key === "ArrowRight") fold(line, true);
  else if (event.key === "ArrowLeft") fold(line, false);
  else return;
  event.preventDefault();
});

document.addEventListener("DOMContentLoaded", () => tree()?.querySelector(".line[aria-current]")?.scrollIntoView({ block: "nearest" }));

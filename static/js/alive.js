// A trace that is still running grows under its reader's eyes: what is open stays open, what is read stays where it is.
// The page asks every few seconds, saying which rows it has; the answer is the same page with those rows and new ones.
const SAME = ["trace-state", "trace-facts", "only", "notes", "axis", "grid", "shown"];
const born = new WeakMap();

// What the server has to know of a row: its run, whether siblings were left out beside it, whether its list is here.
function marks(item) {
  const cut = (neighbour, side) => neighbour?.dataset.cut === side;
  const said = [cut(item.previousElementSibling, "before") && "b", cut(item.nextElementSibling, "after") && "c", item.querySelector(":scope > .unfold") && "l"];
  return `${item.id.slice(2)}.${said.filter(Boolean).join("")}`;
}

const rows = () => [...document.querySelectorAll("#tree li[id^=n-]")].map(marks).join(" ");
let sent = "";

document.addEventListener("htmx:configRequest", (event) => {
  const pulse = event.detail.elt;
  if (pulse.id !== "pulse") return;
  const chosen = new URLSearchParams(location.search).get("run");
  if (chosen) event.detail.path += `${event.detail.path.endsWith("?") ? "" : "&"}run=${chosen}`;
  event.detail.parameters.set("token", pulse.dataset.token);
  sent = rows();
  event.detail.parameters.set("rows", sent);
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id === "pulse" && document.hidden) event.preventDefault();
});

// A page that asks every few seconds complains once, not every few seconds; where it may ask no longer, it stops.
for (const trouble of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
  document.body.addEventListener(trouble, (event) => {
    const { elt, xhr } = event.detail;
    if (elt.id !== "pulse") return;
    if (elt.dataset.lost) event.stopPropagation();
    elt.dataset.lost = "true";
    if (xhr?.status === 403 || xhr?.status === 404) elt.remove();
  });
}

document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, xhr } = event.detail;
  if (elt.id === "pulse" && event.detail.successful) delete elt.dataset.lost;
  if (elt.id !== "pulse" || xhr.status !== 200 || xhr.getResponseHeader("HX-Redirect")) return;
  // A list that was opened in between is not part of the answer: the next one has it.
  if (rows() === sent) grow(new DOMParser().parseFromString(xhr.responseText, "text/html"));
});

function grow(fresh) {
  const focused = document.activeElement;
  const pane = document.querySelector(".trace-pane");
  const anchor = [...pane.querySelectorAll(".node > .line")].find((line) => line.getBoundingClientRect().top > pane.getBoundingClientRect().top + 32);
  const top = anchor?.getBoundingClientRect().top;
  const chosen = document.querySelector("#tree .line[aria-current]");
  const wasRunning = chosen?.classList.contains("is-running");
  for (const id of SAME) replace(document.getElementById(id), fresh.getElementById(id));
  parts(document.getElementById("tree"), fresh.getElementById("tree"));
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  if (anchor?.isConnected) (pane.scrollHeight > pane.clientHeight ? pane : document.scrollingElement).scrollTop += anchor.getBoundingClientRect().top - top;
  if (wasRunning && !chosen.classList.contains("is-running")) {
    htmx.ajax("GET", chosen.getAttribute("href"), { source: "#detail", target: "#detail", swap: "innerHTML show:none", push: "false" });
  }
}

// Figures beside the tree; what somebody is typing into or has open is left alone until the next time.
function replace(old, fresh) {
  if (!old || !fresh || old.isEqualNode(fresh)) return;
  if (old.contains(document.activeElement)) return;
  old.replaceWith(fresh);
  htmx.process(fresh);
}

function parts(old, fresh) {
  const found = [...fresh.querySelectorAll(":scope > .tree-part")];
  const kept = new Set(found.map((part) => part.id));
  let before = old.querySelector(":scope > .grid");
  for (const part of found) {
    const mine = document.getElementById(part.id);
    if (mine) {
      replace(mine.querySelector(":scope > .apart"), part.querySelector(":scope > .apart"));
      list(mine.querySelector(":scope > ul"), part.querySelector(":scope > ul"));
    } else before.after(part);
    before = mine || part;
  }
  for (const other of old.querySelectorAll(":scope > :not(.grid)")) if (!kept.has(other.id)) other.remove();
}

// Make a list what the answer says, keeping the rows that are there already: moved, not made anew.
function list(old, fresh) {
  let at = old.firstElementChild;
  for (const item of [...fresh.children]) {
    const mine = document.getElementById(item.id);
    if (mine && mine === at) at = at.nextElementSibling;
    else old.insertBefore(mine || item, at);
    if (mine) row(mine, item);
    else item.classList.add("is-new");
  }
  while (at) {
    const next = at.nextElementSibling;
    at.remove();
    at = next;
  }
}

function row(mine, fresh) {
  const was = mine.className.includes("is-new") ? " is-new" : "";
  mine.className = fresh.className + was;
  const [line, now] = [mine, fresh].map((item) => item.querySelector(":scope > a.line"));
  const current = line.getAttribute("aria-current");
  if (current) now.setAttribute("aria-current", current);
  else now.removeAttribute("aria-current");
  if (!line.isEqualNode(now)) {
    for (const { name, value } of now.attributes) line.setAttribute(name, value);
    if (!now.hasAttribute("aria-current")) line.removeAttribute("aria-current");
    line.replaceChildren(...now.childNodes);
  }
  const [open, lists] = [mine, fresh].map((item) => item.querySelector(":scope > details"));
  const below = (item) => [...item.children].filter((child) => child !== item.querySelector(":scope > a.line"));
  if (open && lists) list(open.querySelector(":scope > ul"), lists.querySelector(":scope > ul"));
  else if (!open && !mine.querySelector(":scope > .unfold[aria-busy]")) {
    for (const old of below(mine)) old.remove();
    mine.append(...below(fresh));
  }
}

// Clocks of runs that go on tick between two answers.
function spell(ms) {
  const s = ms / 1000;
  if (s < 59.95) return `${s.toFixed(1)}\u00a0s`;
  const [big, small, unit, rest] = s < 3600 ? [60, 1, "m", "s"] : s < 86400 ? [3600, 60, "h", "m"] : [86400, 3600, "d", "h"];
  const whole = Math.floor(Math.round(s) / big);
  return `${whole}\u00a0${unit} ${Math.floor((Math.round(s) % big) / small)}\u00a0${rest}`;
}

setInterval(() => {
  if (document.hidden || !document.querySelector("#pulse[data-token]")) return;
  const now = performance.now();
  for (const clock of document.querySelectorAll("[data-elapsed]")) {
    if (!born.has(clock)) born.set(clock, now);
    clock.textContent = spell(Number(clock.dataset.elapsed) + now - born.get(clock));
  }
}, 1000);

// Replays a conversation in place: follows the player's links without loading the page anew, and goes on by itself.
// The server draws every moment; what is on the page and still true stays the same element.
const LEAST = 120; // ms between two moments, however fast
const still = matchMedia("(prefers-reduced-motion: reduce)");
const replay = document.getElementById("replay");
const part = (selector) => replay.querySelector(selector);
let timer = 0;
let playing = false;
let request = null;
let going = false;
const steps = [];
let told = location.search;

async function go(href, { push = true, seek = false } = {}) {
  request?.abort();
  const own = (request = new AbortController());
  const address = new URL(href, location);
  let answer;
  try {
    answer = await fetch(address, { headers: { "HX-Request": "true", "HX-Target": "replay" }, signal: own.signal });
  } catch (error) {
    if (error.name === "AbortError") return false;
    return leave(address);
  }
  const drawn = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("replay");
  if (own.signal.aborted) return false;
  if (!drawn) return leave(address);
  if (seek) address.href = answer.url;
  if (push) history.pushState({ replay: true }, "", address);
  else history.replaceState({ replay: true }, "", address);
  told = address.search;
  show(drawn);
  return true;
}

// Not a moment of this replay: an expired session, a lost server. The browser shows what it is.
function leave(address) {
  pause();
  location.assign(address);
  return false;
}

function show(drawn) {
  const turn = part("#player").dataset.turn;
  replay.classList.add("is-stepping");
  morph(replay, drawn);
  htmx.process(replay);
  reveal();
  if (!playing || turn !== part("#player").dataset.turn) document.getElementById("live").textContent = part(".player-where").textContent.trim().replace(/\s+/g, " ");
}

// Bring the end of the turn that is told into sight: that is where something came to be.
function reveal() {
  const behavior = still.matches ? "instant" : "smooth";
  const turn = part(".turn-now");
  const pane = part(".conversation");
  const box = turn?.getBoundingClientRect();
  const scrolls = pane.scrollHeight > pane.clientHeight && getComputedStyle(pane).overflowY !== "visible";
  const top = scrolls ? pane.getBoundingClientRect().top : 0;
  const bottom = scrolls ? pane.getBoundingClientRect().bottom : part("#player").getBoundingClientRect().top;
  if (box && (box.bottom > bottom || box.bottom < top + 40)) {
    const way = box.bottom - bottom + 24;
    (scrolls ? pane : window).scrollBy({ top: way, behavior: Math.abs(way) > 2 * (bottom - top) ? "instant" : behavior });
  }
  const contents = part(".contents");
  const current = contents.querySelector("[aria-current]")?.getBoundingClientRect();
  const list = contents.getBoundingClientRect();
  if (current && (current.top < list.top || current.bottom > list.bottom)) contents.scrollTop += current.top - list.top - list.height / 3;
}

// Make an element what the answer says: the same ones stay, with what somebody unfolded and where the focus is.
function morph(old, drawn) {
  if (old.isEqualNode(drawn) || old.hasAttribute("data-keep")) return;
  for (const { name } of [...old.attributes]) if (!drawn.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  for (const { name, value } of drawn.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  let at = old.firstChild;
  for (const fresh of [...drawn.childNodes]) {
    const same = fresh.id ? [...old.children].find((child) => child.id === fresh.id) : at && !at.id && at.nodeName === fresh.nodeName && at;
    if (!same) {
      old.insertBefore(fresh, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else old.insertBefore(same, at);
    if (same.nodeType === Node.ELEMENT_NODE) morph(same, fresh);
    else if (same.data !== fresh.data) same.data = fresh.data;
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function mark() {
  const button = part("[data-play]");
  button.setAttribute("aria-pressed", String(playing));
  button.setAttribute("aria-label", playing ? "Pause" : "Play");
}

// At the end it begins anew.
async function play() {
  const { after } = part("#player").dataset;
  const first = part("[data-step=Home]");
  if (!after && !first) return;
  playing = true;
  mark();
  if ((after || (await go(first.getAttribute("href")))) && playing) wait();
}

function pause() {
  playing = false;
  clearTimeout(timer);
  mark();
}

function wait() {
  const { wait: pause, speed } = part("#player").dataset;
  clearTimeout(timer);
  timer = setTimeout(step, Math.max(Number(pause) / Number(speed), LEAST));
}

async function step() {
  const { after } = part("#player").dataset;
  if (!(await go(after, { push: false })) || !playing) return;
  if (part("#player").dataset.after) wait();
  else pause();
}

replay.addEventListener("click", (event) => {
  if (event.target.closest("[data-play]")) return playing ? pause() : play();
  const link = event.target.closest("a[data-go], a[data-step]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const faster = link.closest(".player-speeds");
  if (!faster) pause();
  // Somebody steps faster than moments arrive: the next step is counted from where this one leads.
  if (link.dataset.step && going) return steps.push(link.dataset.step);
  going = true;
  go(link.getAttribute("href"), { push: !faster }).then((shown) => {
    going = false;
    if (shown && playing) wait();
    const next = steps.shift();
    if (next) part(`[data-step=${next}]`)?.click();
  });
});

const typed = "input, textarea, select, [contenteditable], [popover]:popover-open";
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || event.shiftKey || event.target.closest(typed)) return;
  if (event.key === " ") {
    if (event.target.closest("button, summary")) return;
    event.preventDefault();
    if (!event.repeat) part("[data-play]").click();
    return;
  }
  if (!["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
  event.preventDefault();
  part(`[data-step=${event.key}]`)?.click();
});

// The track: press and drag to where the replay shall go on; the server knows the moment that is nearest.
let dragged = false;

function place(event) {
  const box = part(".track").getBoundingClientRect();
  return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
}

replay.addEventListener("pointerdown", (event) => {
  const track = event.target.closest("[data-track]");
  if (!track || event.button !== 0 || event.target.closest(".slot")) return;
  pause();
  dragged = true;
  track.setPointerCapture(event.pointerId);
  part("[data-head]").setAttribute("cx", `${100 * place(event)}%`);
});

replay.addEventListener("pointermove", (event) => {
  if (dragged) part("[data-head]").setAttribute("cx", `${100 * place(event)}%`);
});

replay.addEventListener("pointerup", (event) => {
  if (!dragged) return;
  dragged = false;
  const address = new URL(part("[data-track]").dataset.href, location);
  address.hash = "";
  address.searchParams.set("seek", Math.round(1000 * place(event)));
  go(address, { seek: true });
});

replay.addEventListener("pointercancel", () => {
  dragged = false;
});

addEventListener("popstate", () => {
  if (location.search === told) return; // a fragment of this moment
  if (!new URLSearchParams(location.search).has("at")) return location.reload();
  pause();
  go(location, { push: false });
});

reveal();

// Keys that work on every page: / searches, g and a letter goes to a page, [ and ] turn pages or walk traces, ? lists
// the keys. What they do is also a link or a button. A switch in the sheet turns all single keys off, for this browser.
const PLACES = { o: "Overview", r: "Runs", t: "Traces", h: "Threads", u: "Users", i: "Ingest health", s: "Settings" };
const KEYS_OFF = "keys-off";
let going = 0;

const isTyping = (event) => event.target.closest?.("input:not([type=checkbox], [type=radio], [type=submit]), textarea, select, [contenteditable]");

// Some keyboards have [ and ] behind AltGr, or behind the option key.
function isCommand(event) {
  if (event.isComposing || event.getModifierState("AltGraph")) return event.isComposing;
  return event.metaKey || event.ctrlKey || (event.altKey && !"[]".includes(event.key));
}

function goTo(letter) {
  const rows = [...document.querySelectorAll("#sidebar .nav a")];
  rows.find((row) => row.querySelector(".nav-text")?.textContent === PLACES[letter])?.click();
}

function areOff() {
  try {
    return localStorage.getItem(KEYS_OFF) === "1";
  } catch {
    return false; // a browser that keeps nothing
  }
}

// Before every other script: a key that is off reaches none of them. Keys of a focused row or field stay.
window.addEventListener(
  "keydown",
  (event) => {
    if (event.key.length === 1 && event.key !== " " && !isTyping(event) && !isCommand(event) && areOff()) event.stopImmediatePropagation();
  },
  true,
);

document.addEventListener("keydown", (event) => {
  if (isTyping(event) || isCommand(event)) return;
  if (event.key === "/") {
    const search = document.querySelector(".topbar [type=search], [data-search]");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  } else if (event.key === "?") document.getElementById("keyboard")?.togglePopover();
  else if (event.key === "g") going = Date.now();
  else if (event.key in PLACES && Date.now() - going < 1200) {
    going = 0;
    goTo(event.key);
  } else if (event.key === "[") document.querySelector("a[rel=prev]")?.click();
  else if (event.key === "]") document.querySelector("a[rel=next]")?.click();
});

document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-keys-switch]")) return;
  try {
    localStorage.setItem(KEYS_OFF, event.target.checked ? "" : "1");
  } catch {
    event.target.checked = true;
  }
});

document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll("[data-keys-switch]")) box.checked = !areOff();
});

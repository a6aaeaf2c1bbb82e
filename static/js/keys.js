// Keys that work on every page: / searches, g and a letter goes to a page, [ and ] turn pages.
const PLACES = { o: "Overview", r: "Runs", t: "Traces", h: "Threads", u: "Users", i: "Ingest health", s: "Settings" };
let going = 0;

function goTo(letter) {
  const rows = [...document.querySelectorAll("#sidebar .nav a")];
  rows.find((row) => row.querySelector(".nav-text")?.textContent === PLACES[letter])?.click();
}

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable]")) return;
  if (event.key === "/") {
    const search = document.querySelector(".topbar [type=search], [data-search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  } else if (event.key === "g") going = Date.now();
  else if (event.key in PLACES && Date.now() - going < 1200) {
    going = 0;
    goTo(event.key);
  } else if (event.key === "[") document.querySelector("a[rel=prev]")?.click();
  else if (event.key === "]") document.querySelector("a[rel=next]")?.click();
});

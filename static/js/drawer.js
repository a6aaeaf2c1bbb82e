// The peek drawer. Row links carry [data-peek] and hx-get into #drawer; without JavaScript they open the run's page.
// j and k walk the rows, of lists without a drawer too; Enter opens, Escape closes and gives the focus back.
const drawer = () => document.getElementById("drawer");
const rowLinks = () => [...document.querySelectorAll("a[data-peek], table a.row-link:not([data-peek])")];
const rowOf = (link) => link.closest("tr, li, [data-row]");
const currentLink = () => rowLinks().find((link) => rowOf(link)?.getAttribute("aria-current") === "true");

function mark(link) {
  const before = currentLink();
  if (before) rowOf(before).removeAttribute("aria-current");
  if (link) rowOf(link)?.setAttribute("aria-current", "true");
}

function closeDrawer() {
  const link = currentLink();
  const close = drawer().querySelector("[data-close]");
  if (close) history.replaceState(history.state, "", close.href.replace(/\?$/, ""));
  drawer().replaceChildren();
  mark(null);
  link?.focus();
}

function walk(step) {
  const links = rowLinks();
  if (!links.length) return;
  const open = drawer()?.childElementCount > 0;
  const at = links.indexOf(open ? currentLink() : document.activeElement);
  const next = links[at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step];
  if (!next) return;
  next.scrollIntoView({ block: "nearest" });
  if (open) next.click();
  else next.focus();
}

document.addEventListener("click", (event) => {
  const peek = event.target.closest("a[data-peek]");
  if (peek && !event.metaKey && !event.ctrlKey) mark(peek);
  const close = event.target.closest("#drawer [data-close]");
  if (close && !event.metaKey && !event.ctrlKey) {
    event.preventDefault();
    closeDrawer();
  }
  const step = event.target.closest("#drawer [data-walk]");
  if (step) {
    event.preventDefault();
    walk(Number(step.dataset.walk));
  }
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id === "drawer") drawer().querySelector(".drawer")?.focus();
});

document.addEventListener("keydown", (event) => {
  if (isTyping(event) || isCommand(event)) return;
  if (event.key === "j") walk(1);
  else if (event.key === "k") walk(-1);
  else if (event.key === "Escape" && drawer()?.childElementCount) closeDrawer();
});

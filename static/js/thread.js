// Marks in a conversation's contents the turn that is being read, and keeps that line in sight.
const pane = document.querySelector(".conversation");
const contents = document.querySelector(".contents");
const READ_FROM = 64; // a turn counts as read once its head is so near to the pane's top

function turnInView() {
  const turns = [...pane.querySelectorAll(".turn")];
  const target = pane.querySelector(".turn:target");
  const { top, bottom } = pane.getBoundingClientRect();
  const atEnd = pane.scrollTop + pane.clientHeight >= pane.scrollHeight - 2;
  // A turn near the end can't be scrolled to the top: it is the one that was asked for.
  if (target && (atEnd || pane.scrollTop === 0)) {
    const place = target.getBoundingClientRect();
    if (place.top >= top - 1 && place.top < bottom) return target;
  }
  if (atEnd && pane.scrollTop > 0) return turns.at(-1);
  return turns.findLast((turn) => turn.getBoundingClientRect().top - top < READ_FROM) ?? turns[0];
}

function mark() {
  const turn = turnInView();
  const link = turn && contents.querySelector(`a[href="#${turn.id}"]`);
  const before = contents.querySelector("[aria-current]");
  if (!link || link === before) return;
  before?.removeAttribute("aria-current");
  link.setAttribute("aria-current", "true");
  const place = link.getBoundingClientRect();
  const list = contents.getBoundingClientRect();
  if (place.top < list.top || place.bottom > list.bottom) contents.scrollTop += place.top - list.top - list.height / 3;
}

if (pane && contents?.checkVisibility() && !document.getElementById("player")) {
  let asked = 0;
  const soon = () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(mark);
  };
  pane.addEventListener("scroll", soon, { passive: true });
  addEventListener("hashchange", soon);
  addEventListener("resize", soon);
  mark();
}

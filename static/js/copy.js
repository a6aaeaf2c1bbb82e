// Copies [data-copy] text, the text of the element named by [data-copy-from], or the address of a link with
// [data-copy-link] ("here": of the page as it is now), and says so. Without this the link is a link.
async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea"); // plain http on another machine: no clipboard API
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from], [data-copy-link]");
  if (!button) return;
  const { copy, copyFrom, copyLink } = button.dataset;
  if (copyLink !== undefined) {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
  }
  const source = copyFrom && document.getElementById(copyFrom);
  const link = copyLink === "here" ? location.href : button.href;
  await copyText(copyLink !== undefined ? link : source ? source.textContent : copy);
  const label = button.querySelector("span");
  const before = label && label.textContent;
  button.dataset.copied = "";
  if (label) label.textContent = "Copied";
  document.getElementById("live").textContent = "Copied";
  setTimeout(() => {
    delete button.dataset.copied;
    if (label) label.textContent = before;
    document.getElementById("live").textContent = "";
  }, 1600);
});

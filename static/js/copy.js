// Copies [data-copy] text, or the text of the element named by [data-copy-from], and says so on the button.
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
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  const source = button.dataset.copyFrom && document.getElementById(button.dataset.copyFrom);
  await copyText(source ? source.textContent : button.dataset.copy);
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

// htmx leaves the page as it is when an answer is an error: say so, and keep what is on screen.
function toast(text) {
  const region = document.getElementById("toasts");
  const note = document.createElement("div");
  note.className = "toast toast-error";
  const words = document.createElement("span");
  words.textContent = text;
  note.append(words);
  region.append(note);
  setTimeout(() => note.remove(), 8000);
}

const REASONS = {
  403: "Your role doesn’t allow this.",
  404: "That is no longer here.",
  413: "That is more than this server accepts at once.",
  429: "Too many tries. Wait a little.",
  503: "The database can’t be reached. Try again in a few seconds.",
};

document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  const id = event.detail.xhr.getResponseHeader("X-Request-ID");
  toast(REASONS[status] || `Something broke on the server (${status}${id ? `, request ${id.slice(0, 8)}` : ""}).`);
});

document.addEventListener("htmx:sendError", () => toast("The server can’t be reached. What you see is the last answer."));
document.addEventListener("htmx:timeout", () => toast("The server takes too long. What you see is the last answer."));

// Good news from the last form goes by itself; bad news stays until the next page.
for (const note of document.querySelectorAll(".toast-success, .toast-info")) setTimeout(() => note.remove(), 6000);

// aria-busy while a region is being replaced, so it dims and screen readers wait.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target && event.detail.target.id !== "drawer" && !event.target.closest("[data-quiet]")) event.detail.target.setAttribute("aria-busy", "true");
});
document.addEventListener("htmx:afterRequest", (event) => event.detail.target?.removeAttribute("aria-busy"));

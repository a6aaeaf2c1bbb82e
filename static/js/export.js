// Counts the lines of a download as they arrive and saves them as a file. Without this the link is a plain download.
const link = document.querySelector("[data-export]");
const SAID_EVERY = 200; // ms

function figure(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

function size(bytes) {
  const units = ["bytes", "KB", "MB"];
  const step = Math.min(bytes < 1024 ? 0 : bytes < 1024 ** 2 ? 1 : 2, 2);
  return `${(bytes / 1024 ** step).toFixed(step === 0 ? 0 : 1)}\u00a0${units[step]}`;
}

function save(parts, name) {
  const address = URL.createObjectURL(new Blob(parts, { type: "application/jsonl" }));
  const file = document.createElement("a");
  file.href = address;
  file.download = name;
  file.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

async function receive(signal, tell) {
  const answer = await fetch(link.href, { signal, headers: { Accept: "application/jsonl" } });
  if (!answer.ok || !answer.headers.get("Content-Type").startsWith("application/jsonl")) throw new Error(`status ${answer.status}`);
  const reader = answer.body.getReader();
  const parts = [];
  let lines = 0;
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { parts, lines, bytes };
    parts.push(value);
    bytes += value.length;
    for (const byte of value) if (byte === 10) lines += 1;
    tell(lines, bytes);
  }
}

if (link) {
  const total = Number(link.dataset.total);
  const progress = document.querySelector("[data-export-progress]");
  const bar = progress.querySelector("progress");
  const said = progress.querySelector("[data-export-said]");
  const stop = document.querySelector("[data-export-stop]");
  let running = null;
  let last = 0;

  const tell = (lines, bytes) => {
    if (performance.now() - last < SAID_EVERY) return;
    last = performance.now();
    bar.value = lines;
    said.textContent = `${figure(lines)} of ${figure(total)} threads, ${size(bytes)}`;
  };

  link.addEventListener("click", async (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    if (running) return;
    running = new AbortController();
    progress.hidden = stop.hidden = false;
    link.setAttribute("aria-disabled", "true");
    bar.value = last = 0;
    said.textContent = "Waiting for the first thread";
    try {
      const { parts, lines, bytes } = await receive(running.signal, tell);
      bar.value = bar.max;
      save(parts, link.dataset.name);
      const rest = total > lines ? `; ${figure(total - lines)} had no messages` : "";
      said.textContent = `Saved ${figure(lines)} of ${figure(total)} threads, ${size(bytes)}${rest}.`;
    } catch (error) {
      said.textContent = running.signal.aborted ? "Stopped; nothing was saved." : "The download broke off; nothing was saved. Try it again, or with a shorter time range.";
    }
    running = null;
    stop.hidden = true;
    link.removeAttribute("aria-disabled");
  });
  stop.addEventListener("click", () => running?.abort());
}

// Keeps a page's live part up to date: the server draws it again, nothing is rendered here.
"use strict";
const live = document.querySelector("[data-live]");
const refresh = async () => {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-live]");
  if (fresh) live.replaceChildren(...fresh.childNodes);
};
if (live && live.dataset.events) {
  let drawing = false;
  const events = new EventSource(live.dataset.events);
  events.addEventListener("job", async (event) => {
    const ended = JSON.parse(event.data).finished_at !== null;
    if (ended) events.close();
    if (drawing && !ended) return;
    drawing = true;
    try { await refresh(); } finally { drawing = false; }
  });
} else if (live && location.pathname === "/") {
  setInterval(() => { if (!document.hidden) refresh().catch(() => {}); }, 2000);
}

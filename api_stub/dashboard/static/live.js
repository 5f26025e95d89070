// Keeps the page as the server would draw it now, without disturbing what plays, is focused, selected or typed.
const main = document.getElementById("main");
const connection = document.getElementById("connection");
const RECONNECT_SECONDS = 3;
let events = null;
let timer = null;
let drawing = false;
let drawAgain = false;
let drawnAt = new Date();
let restsUntil = 0;
const LEAST_REST_MILLISECONDS = 500; // however fast things move, and five times what the last look took

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" };

// Times in the viewer's zone, which each names; the title keeps the exact one.
function localise(place) {
  for (const time of place.querySelectorAll("time[datetime][title]")) {
    const at = new Date(time.dateTime);
    const now = new Date();
    const day = at.toDateString() !== now.toDateString() && { day: "numeric", month: "short" };
    const year = at.getFullYear() !== now.getFullYear() && { year: "numeric" };
    time.textContent = at.toLocaleString([], { ...year, ...day, ...CLOCK });
  }
}

export function watchPage() {
  localise(document);
  document.addEventListener("visibilitychange", follow);
  follow();
}

// A hidden page asks for nothing: browsers allow six connections to a host, shared by all tabs.
function follow() {
  const address = document.hidden ? undefined : main.dataset.events;
  if (events && events.address !== address) {
    events.source.close();
    events = null;
  }
  if (address && !events) {
    const source = new EventSource(address);
    source.addEventListener("job", (event) => {
      if (JSON.parse(event.data).finished_at !== null) source.close();
      redraw();
    });
    source.addEventListener("jobs", redraw);
    events = { source, address };
    redraw();
  }
  clearTimeout(timer);
  if (!document.hidden && main.dataset.seconds) timer = setTimeout(redraw, Number(main.dataset.seconds) * 1000);
}

async function redraw() {
  if (drawing) {
    drawAgain = true;
    return;
  }
  drawing = true;
  await new Promise((resume) => setTimeout(resume, Math.max(0, restsUntil - performance.now())));
  const began = performance.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.status >= 500) throw new Error(`the server answered ${answer.status}`);
    if (answer.ok) draw(await answer.text());
    else leave(answer.status);
  } catch {
    connection.textContent = `Not connected: this is how things stood at ${drawnAt.toLocaleTimeString()}.`;
    // However seldom this page asks else; the next drawing sets its own pace again.
    main.dataset.seconds = Math.min(Number(main.dataset.seconds) || Infinity, RECONNECT_SECONDS);
  } finally {
    restsUntil = performance.now() + Math.max(LEAST_REST_MILLISECONDS, 5 * (performance.now() - began));
    drawing = false;
    if (drawAgain) {
      drawAgain = false;
      redraw();
    } else follow();
  }
}

function draw(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.getElementById("main");
  if (!fresh) return;
  drawnAt = new Date();
  connection.textContent = "";
  if (document.title !== page.title) document.title = page.title;
  localise(fresh);
  morph(main, fresh);
  document.dispatchEvent(new Event("redrawn"));
}

// Signed out, or what was shown is gone: the page stays as it is and says so.
function leave(status) {
  delete main.dataset.events;
  delete main.dataset.seconds;
  connection.textContent = status === 401 ? "You are signed out: this page stands still." : "This is not there any more.";
}

// Turns `old` into `fresh`, keeping every element that stands for the same thing.
function morph(old, fresh) {
  for (const name of old.getAttributeNames()) {
    if (!fresh.hasAttribute(name) && !belongsToUser(old, name)) old.removeAttribute(name);
  }
  for (const name of fresh.getAttributeNames()) {
    if (old.getAttribute(name) !== fresh.getAttribute(name) && !belongsToUser(old, name)) {
      old.setAttribute(name, fresh.getAttribute(name));
    }
  }
  let here = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const match = find(here, wanted);
    if (!match) {
      old.insertBefore(document.importNode(wanted, true), here);
      continue;
    }
    while (here !== match) here = drop(here);
    if (match.nodeType === Node.ELEMENT_NODE) {
      if (!isKept(match)) morph(match, wanted);
    } else if (match.nodeValue !== wanted.nodeValue) match.nodeValue = wanted.nodeValue;
    here = match.nextSibling;
  }
  while (here) here = drop(here);
}

function drop(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

// What has a name is found among all that follow; the rest only in its place, so that nothing named is dropped for it.
function find(here, wanted) {
  if (here && isSame(here, wanted)) return here;
  if (wanted.nodeType !== Node.ELEMENT_NODE || !isNamed(wanted)) return null;
  for (let node = here; node; node = node.nextSibling) if (isSame(node, wanted)) return node;
  return null;
}

function isNamed(node) {
  return node.id !== "" || node.hasAttribute("href") || isKept(node);
}

function isSame(node, wanted) {
  if (node.nodeName !== wanted.nodeName) return false;
  if (node.nodeType !== Node.ELEMENT_NODE) return true;
  if (node.id !== wanted.id || node.getAttribute("href") !== wanted.getAttribute("href")) return false;
  const [kept, other] = [node.dataset.keep, wanted.dataset.keep];
  return kept === other || (kept !== undefined && other !== undefined && isPlaying(node));
}

function isKept(node) {
  return node.dataset.keep !== undefined;
}

function isPlaying(node) {
  const film = node.querySelector("video");
  return film !== null && !film.paused;
}

function belongsToUser(node, name) {
  return name === "open" && node.nodeName === "DETAILS";
}

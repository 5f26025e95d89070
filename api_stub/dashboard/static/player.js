// Plays the ladder where the browser can, goes to the places that the page names, and follows what is said.
const NATIVE_LADDER = "application/vnd.apple.mpegurl";
const LEAD_SECONDS = 0.5; // findings begin a little before their first word
const WORKER = "/static/vendor/hls.worker.js";

export function watchFilm() {
  document.addEventListener("click", (event) => {
    const place = event.target.closest("[data-seek]");
    const film = document.getElementById("film");
    if (!place || !film || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    seek(film, Number(place.dataset.seek));
  });
  document.addEventListener("redrawn", prepare);
  prepare();
}

function prepare() {
  const film = document.getElementById("film");
  if (!film) return;
  if (!film.dataset.prepared) {
    film.dataset.prepared = "yes";
    film.addEventListener("timeupdate", () => follow(film));
    film.addEventListener("seeking", () => follow(film));
    if (film.dataset.ladder) useLadder(film);
  }
  follow(film);
}

async function useLadder(film) {
  const { default: Hls } = await import("./vendor/hls.min.mjs");
  if (!film.isConnected || !film.paused || film.currentTime > 0) return; // the MP4 plays already
  if (Hls.isSupported()) attach(Hls, film);
  else if (film.canPlayType(NATIVE_LADDER)) film.src = film.dataset.ladder;
}

function attach(Hls, film) {
  // Captions are a track of our own: those that a film carries within its pictures are not to be drawn over it.
  const ladder = new Hls({ workerPath: WORKER, renderTextTracksNatively: false, maxBufferLength: 20 });
  ladder.on(Hls.Events.ERROR, (_name, error) => {
    if (error.fatal) useFile(ladder, film);
  });
  ladder.on(Hls.Events.MANIFEST_PARSED, () => {
    film.dataset.plays = "ladder";
  });
  ladder.loadSource(film.dataset.ladder);
  ladder.attachMedia(film);
}

// The MP4 plays everywhere; it goes on from where the ladder stopped.
function useFile(ladder, film) {
  const [time, wasPlaying] = [film.currentTime, !film.paused];
  ladder.destroy();
  film.dataset.plays = "file";
  film.removeAttribute("src");
  film.load();
  film.currentTime = time;
  if (wasPlaying) film.play().catch(() => {});
}

function seek(film, seconds) {
  film.currentTime = seconds;
  follow(film);
  film.scrollIntoView({ block: "nearest" });
}

function follow(film) {
  const duration = film.duration || 0;
  const place = `${duration ? (100 * film.currentTime) / duration : 0}%`;
  const playhead = document.getElementById("playhead");
  playhead?.setAttribute("x1", place);
  playhead?.setAttribute("x2", place);
  const lines = document.getElementById("transcript");
  if (lines) mark(lines, film.currentTime);
}

function mark(lines, time) {
  const said = [...lines.children];
  const now =
    said.find((line) => Number(line.dataset.from) <= time && time < Number(line.dataset.until)) ??
    said.find((line) => Number(line.dataset.from) > time && Number(line.dataset.from) <= time + LEAD_SECONDS) ??
    null;
  const before = lines.querySelector("[aria-current]");
  if (before === now) return;
  before?.removeAttribute("aria-current");
  now?.setAttribute("aria-current", "true");
  if (now) show(lines, now);
}

// Scrolls the list only, never the page.
function show(lines, line) {
  const [frame, box] = [lines.getBoundingClientRect(), line.getBoundingClientRect()];
  if (box.top < frame.top || box.bottom > frame.bottom) lines.scrollTop += box.top - frame.top - frame.height / 3;
}

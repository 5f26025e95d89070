// Sends a film in pieces (tus 1.0.0), so that a lost connection or a closed page costs one piece at most.
const PIECE_BYTES = 8 * 1024 * 1024;
const MOST_TRIES = 8;
const LONGEST_PAUSE_MILLISECONDS = 15000;
const TUS = { "Tus-Resumable": "1.0.0" };

const BEGINNING = { sent: 0, next: null };

class Refused extends Error {}

export function watchUpload() {
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-upload]");
    const file = form?.elements.file.files[0];
    if (!file) return;
    event.preventDefault();
    send(form, file);
  });
}

async function send(form, file) {
  const [button, status] = [form.querySelector("button"), form.querySelector("[data-upload-status]")];
  const bar = document.createElement("progress");
  const words = document.createElement("span");
  bar.max = 1;
  bar.setAttribute("aria-label", `upload of ${file.name}`);
  status.replaceChildren(bar, " ", words);
  button.disabled = true;
  const warn = (event) => event.preventDefault();
  addEventListener("beforeunload", warn);
  const show = (sent, note = "") => {
    bar.value = file.size ? sent / file.size : 0;
    words.textContent = `${Math.floor(100 * bar.value)} % of ${(file.size / 1048576).toFixed(1)} MiB ${note}`;
  };
  try {
    const next = await sendPieces(file, show);
    removeEventListener("beforeunload", warn);
    location.assign(next);
  } catch (error) {
    removeEventListener("beforeunload", warn);
    status.textContent = `${error.message} ${error instanceof Refused ? "" : "Press Upload to go on from here."}`;
    button.disabled = false;
  }
}

// Returns the address of the page to go to.
async function sendPieces(file, show) {
  let [address, at] = await resume(file);
  let tries = 0;
  while (address === null || at.sent < file.size) {
    show(at.sent);
    try {
      if (address === null) [address, at] = [await create(file), BEGINNING];
      at = await sendPiece(address, file, at.sent, show);
      tries = 0;
    } catch (error) {
      tries += 1;
      if (error instanceof Refused) forget(file);
      if (error instanceof Refused || tries >= MOST_TRIES) throw error;
      show(at.sent, `(${error.message}; trying again)`);
      await pause(Math.min(500 * 2 ** tries, LONGEST_PAUSE_MILLISECONDS));
      if (address !== null) [address, at] = await resume(file);
    }
  }
  forget(file);
  return at.next ?? "/";
}

const memory = (file) => `upload:${file.name}:${file.size}:${file.lastModified}`;
const forget = (file) => localStorage.removeItem(memory(file));
const pause = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

// Where an earlier try of the same file stopped, or null and the beginning.
async function resume(file) {
  const address = localStorage.getItem(memory(file));
  if (!address) return [null, BEGINNING];
  const answer = await fetch(address, { method: "HEAD", headers: TUS, cache: "no-store" }).catch(() => null);
  if (answer === null || answer.status >= 500) return [address, BEGINNING];
  if (answer.ok) return [address, place((name) => answer.headers.get(name))];
  forget(file);
  return [null, BEGINNING];
}

// How much has arrived, and, once that is all, the page of the video that it became.
function place(header) {
  return { sent: Number(header("Upload-Offset")), next: header("Content-Location") };
}

async function create(file) {
  const metadata = [`filename ${base64(file.name)}`];
  if (file.type) metadata.push(`filetype ${base64(file.type)}`);
  const headers = { ...TUS, "Upload-Length": String(file.size), "Upload-Metadata": metadata.join(",") };
  const answer = await fetch("/files", { method: "POST", headers });
  if (!answer.ok) throw await failure(answer.status, await answer.text());
  const address = answer.headers.get("Location");
  localStorage.setItem(memory(file), address);
  return address;
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

// XMLHttpRequest, because fetch does not tell how much of a body is sent.
function sendPiece(address, file, offset, show) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PATCH", address);
    const headers = { ...TUS, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => show(offset + event.loaded));
    request.addEventListener("error", () => reject(new Error("the connection was lost")));
    request.addEventListener("load", () => {
      if (request.status >= 300) reject(failure(request.status, request.responseText));
      else resolve(place((name) => request.getResponseHeader(name)));
    });
    request.send(file.slice(offset, offset + PIECE_BYTES));
  });
}

// What will not get better by trying again is a Refused.
function failure(status, text) {
  const again = status >= 500 || status === 409 || status === 423;
  let words = `the server answered ${status}`;
  try {
    words = JSON.parse(text).detail;
  } catch {
    // Not problem details: the number has to do.
  }
  return again ? new Error(words) : new Refused(words);
}

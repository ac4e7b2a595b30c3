// What a page does by itself: times in the reader's zone, what changed meanwhile, and keys.

// The text comes from our own pages alone, and scripts in it do not run; browsers ask that this be said.
const ours = window.trustedTypes?.createPolicy("drawbridge", { createHTML: (text) => text }) ?? { createHTML: (text) => text };
const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const units = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function tellTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const date = new Date(element.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    const seconds = Math.round((date.getTime() - Date.now()) / 1000);
    const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? units[5];
    element.textContent = relative.format(Math.trunc(seconds / size), unit);
    element.title = exact.format(date);
  }
}

// Times that are typed, and hours of charts, are read and told in the reader's zone: the next page knows it.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `drawbridge-zone=${zone}; Path=/; Max-Age=31536000; SameSite=Lax`;

// Whether somebody is at work in this part: what they do must not be taken from their hands.
function isInUse(part) {
  const open = part.querySelector("details[open] > form, details[open] > div");
  const typed = [...part.querySelectorAll("input, textarea, select")].some(
    (field) => field.type !== "hidden" && field.value !== (field.defaultValue ?? field.value));
  return Boolean(open || typed);
}

// What an element is, whatever else the page says by now.
function named(element) {
  const words = element.tagName === "SUMMARY" ? element.textContent : "";
  return [element.tagName, element.id, element.getAttribute("href"), element.form?.action, element.name, words].join(" ");
}

// The page as it was sent last; parts that somebody is at work in take it up when they let go.
let latest = null;

function takeUp() {
  const next = new DOMParser().parseFromString(ours.createHTML(latest), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = next.getElementById(part.id);
    if (!fresh || fresh.innerHTML === part.dataset.was || isInUse(part)) continue;
    const held = part.contains(document.activeElement) ? named(document.activeElement) : null;
    part.dataset.was = fresh.innerHTML;
    part.replaceChildren(...document.importNode(fresh, true).childNodes);
    tellTimes(part);
    if (held !== null) hold(part, held);
    if (part.dataset.live === "tell") document.getElementById("said").textContent = part.innerText.trim();
  }
}

// The focus stays where it was, or in its part where that is gone, or on the page where the part is empty.
function hold(part, held) {
  const all = [...part.querySelectorAll("a, button, summary, input, textarea, select")];
  for (const place of [all.find((element) => named(element) === held), part, document.getElementById("main")]) {
    if (!place) continue;
    if (place === part || place.id === "main") place.tabIndex = -1;
    place.focus({ preventScroll: true });
    if (document.activeElement === place) return;
  }
}

function letGo() {
  if (latest !== null) setTimeout(takeUp);
}

// Only while the page is looked at: a browser has few connections for all pages of one host.
let source = null;
function followChanges() {
  const looked = document.visibilityState === "visible" && document.querySelector("[data-live]");
  if (!looked || document.querySelector("[data-still]")) {
    source?.close();
    source = null;
    return;
  }
  if (source) return;
  source = new EventSource("/live?path=" + encodeURIComponent(location.pathname + location.search));
  source.addEventListener("page", (event) => { latest = JSON.parse(event.data); takeUp(); });
  source.addEventListener("still", () => source.close());
  source.addEventListener("gone", () => { source.close(); location.reload(); });
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
  const items = [...document.querySelectorAll("a.item")];
  const at = items.indexOf(document.activeElement);
  if (event.key === "j" && items.length) items[Math.min(at + 1, items.length - 1)].focus();
  else if (event.key === "k" && items.length) items[Math.max(at - 1, 0)].focus();
  else if (event.key === "/") document.querySelector("input[type=search]")?.focus();
  else {
    const meant = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!meant) return;
    if (meant.tagName === "SUMMARY") {
      meant.parentElement.open = true;
      (meant.parentElement.querySelector("textarea, input:not([type=hidden])") ?? meant).focus();
    } else meant.focus();
  }
  event.preventDefault();
}

// One menu open at a time, closed by Escape.
function menus(event) {
  if (event.type === "keydown" && event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.act[open]")) {
    if (event.type === "keydown" || !menu.contains(event.target)) {
      if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
      menu.open = false;
    }
  }
}

for (const part of document.querySelectorAll("[data-live]")) part.dataset.was = part.innerHTML;
tellTimes(document);
setInterval(() => tellTimes(document), 15000);
followChanges();
addEventListener("visibilitychange", followChanges);
addEventListener("pagehide", () => { source?.close(); source = null; });
addEventListener("toggle", letGo, true);
addEventListener("change", letGo);
addEventListener("keydown", keys);
addEventListener("keydown", menus);
addEventListener("click", menus);

// Runs a story in a real browser, and prints as lines of JSON what it saw and what went wrong meanwhile.
//
// A story is a module that calls `story` with what is done in it. What it is told is the first argument, in
// JSON. It ends with 1 where something went wrong, whatever the story itself says.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { known, watch } from "./watch.mjs";

const tools = createRequire(join(process.env.DRAWBRIDGE_TEST_TOOLS, "index.js"));
const { chromium } = tools("playwright-core");

// A story that hangs is told as such before whoever runs it gives up.
const LONGEST = 150_000;
// One step.
const PATIENCE = 15_000;

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Nothing leaves this machine, whatever a page asks for.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Runs a story: `tell` gets a page, what it was told, and what it can do with what it sees. */
export async function story(tell, options = {}) {
  const told = JSON.parse(process.argv[2] ?? "{}");
  const watchdog = setTimeout(() => {
    print({ fault: `the story did not end within ${LONGEST} ms` });
    process.exit(1);
  }, LONGEST);
  const chrome = await chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });
  const faults = known();
  const page = await open(options);
  try {
    await tell({
      page,
      context: page.context(),
      told,
      faults,
      // Somebody else's browser, which knows nothing of the others'; `link` signs them in.
      enter: async (link, how = {}) => {
        const theirs = await open(how);
        await theirs.goto(link);
        return theirs;
      },
      saw: (name, what) => print({ saw: name, what }),
      shot: (name, of = page) => shot(name, of),
      accessible: (name, of = page) => accessible(name, of, faults),
      look: (name, of = page) => look(name, of),
      menus: (name, of = page) => menus(name, of),
    });
  } catch (error) {
    faults.add("story", error.stack ?? String(error));
    const pages = chrome.contexts().flatMap((context) => context.pages());
    for (const [at, one] of pages.entries()) await shot(`where-it-broke-${at}`, one).catch(() => {});
  }
  await chrome.close();
  clearTimeout(watchdog);
  for (const fault of faults.list) print({ fault });
  // Whatever a story that broke has left open, it ends here, once all is printed.
  process.stdout.write("", () => process.exit(faults.list.length === 0 ? 0 : 1));

  async function open(how) {
    const context = await chrome.newContext(how);
    context.setDefaultTimeout(PATIENCE);
    await watch(context, told.url, faults);
    return context.newPage();
  }

  // Keeps a picture of a page, where pictures are kept.
  async function shot(name, of = page) {
    const folder = process.env.DRAWBRIDGE_TEST_ARTEFACTS;
    if (!folder) return;
    mkdirSync(folder, { recursive: true });
    const script = process.argv[1].split("/").pop().replace(/\.mjs$/, "");
    await of.screenshot({ path: join(folder, `${script}-${name}.png`), fullPage: true });
  }

  // Looks at a page as it is on a wide screen by day, and on a telephone by night.
  async function look(name, of) {
    await accessible(name, of, faults);
    await shot(name, of);
    const wide = of.viewportSize();
    await of.setViewportSize({ width: 375, height: 800 });
    await of.emulateMedia({ colorScheme: "dark" });
    await fits(name, of, faults);
    await accessible(`${name}, narrow and dark`, of, faults);
    await shot(`${name}-narrow`, of);
    await of.emulateMedia({ colorScheme: "light" });
    await of.setViewportSize(wide);
  }

  // Opens each menu of a page in turn.
  async function menus(name, of) {
    const all = of.locator("details.act > summary");
    for (let at = 0; at < (await all.count()); at += 1) {
      await all.nth(at).click();
      await accessible(`${name}, menu ${at}`, of, faults);
      await shot(`${name}-menu-${at}`, of);
      await of.keyboard.press("Escape");
    }
  }
}

/** No page is wider than the screen, so that nobody scrolls in two directions. */
export async function fits(name, page, faults) {
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wider > 0) faults.add("page", `${name} is ${wider} pixels wider than the screen`);
}

// What axe-core finds wrong with a page for people who cannot see or point is a fault.
async function accessible(name, page, faults) {
  await page.evaluate(readFileSync(tools.resolve("axe-core/axe.min.js"), "utf8"));
  const { violations } = await page.evaluate(() => window.axe.run());
  for (const { id, help, nodes } of violations) {
    const where = nodes.map((node) => node.html).slice(0, 3).join(" ");
    faults.add("accessibility", `${name}: ${id}: ${help}: ${where}`);
  }
}

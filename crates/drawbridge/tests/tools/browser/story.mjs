// Runs a story in a real browser, and prints as lines of JSON what it saw and what went wrong meanwhile.
//
// A story is a module that calls `story` with what is done in it. What it is told is the first argument, in
// JSON. It ends with 1 where something went wrong, whatever the story itself says.

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { watch } from "./watch.mjs";

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

/** Opens a browser that nobody used before; `options` are Playwright's of a context. */
export async function browser(options = {}) {
  const folder = mkdtempSync(join(tmpdir(), "drawbridge-browser-"));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: "/usr/bin/chromium",
    args: FLAGS,
    ...options,
  });
  context.setDefaultTimeout(PATIENCE);
  const close = async () => {
    await context.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { context, close };
}

/** Runs a story: `tell` gets a page, what it was told, and what it can do with what it sees. */
export async function story(tell, options = {}) {
  const told = JSON.parse(process.argv[2] ?? "{}");
  const watchdog = setTimeout(() => {
    print({ fault: `the story did not end within ${LONGEST} ms` });
    process.exit(1);
  }, LONGEST);
  const { context, close } = await browser(options);
  const faults = await watch(context, told.url);
  const page = context.pages()[0] ?? (await context.newPage());
  try {
    await tell({
      page,
      context,
      told,
      faults,
      saw: (name, what) => print({ saw: name, what }),
      shot: (name, of = page) => shot(name, of),
      accessible: (name, of = page) => accessible(name, of, faults),
    });
  } catch (error) {
    faults.add("story", error.stack ?? String(error));
    await shot("where-it-broke").catch(() => {});
  }
  await close();
  clearTimeout(watchdog);
  for (const fault of faults.list) print({ fault });
  process.exitCode = faults.list.length === 0 ? 0 : 1;

  // Keeps a picture of a page, where pictures are kept.
  async function shot(name, of = page) {
    const folder = process.env.DRAWBRIDGE_TEST_ARTEFACTS;
    if (!folder) return;
    mkdirSync(folder, { recursive: true });
    const script = process.argv[1].split("/").pop().replace(/\.mjs$/, "");
    await of.screenshot({ path: join(folder, `${script}-${name}.png`), fullPage: true });
  }
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

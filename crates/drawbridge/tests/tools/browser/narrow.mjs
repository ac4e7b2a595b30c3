// On a telephone nothing is wider than the screen, everything can be hit by a finger, and menus are all there.

import { ask, everyPage, plan } from "./office.mjs";
import { fits, story } from "./story.mjs";

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
// The least that a finger hits, in CSS pixels: WCAG 2.2, 2.5.8.
const LEAST = 24;

await story(async ({ enter, told, faults, saw, shot, accessible }) => {
  await ask(told, "notes_search", { query: "opening" });
  const waiting = await plan(told, "notes_write", { path: "new.md", content: `# New\n\n${"long".repeat(60)}\n` });
  const olga = await enter(told.links.olga, PHONE);
  const names = [];
  for (const [name, address] of await everyPage(olga, told, [waiting])) {
    await olga.goto(address);
    await whole(name, olga);
    names.push(name);
  }
  saw("pages", names);
  const lena = await enter(told.links.lena, PHONE);
  await lena.goto(waiting);
  await whole("deciding", lena);
  await lena.tap("button.yes");
  await lena.waitForSelector(".notice.good:has-text('Done,')");
  await lena.goto(told.url);
  await lena.tap("#stop-notes");
  await lena.tap("button:has-text('Stop notes')");
  await lena.waitForSelector("text=Stopped: it is in force");
  saw("stopped", (await ask(told, "notes_search", { query: "opening" })).status);

  async function whole(name, page) {
    await fits(name, page, faults);
    await hit(name, page);
    await accessible(name, page);
    await shot(name, page);
    const all = page.locator("details:not([open]) > summary");
    for (let at = 0; at < (await all.count()); at += 1) {
      const one = all.nth(at);
      await one.tap();
      const menu = page.locator("details[open]").last();
      const box = await menu.locator("> :last-child").boundingBox();
      if (box && (box.x < 0 || box.x + box.width > 360)) faults.add("page", `${name}: menu ${at} is beside the screen`);
      await hit(`${name}, menu ${at}`, page);
      await fits(`${name}, menu ${at}`, page, faults);
      await shot(`${name}-menu-${at}`, page);
      await page.evaluate(() => document.querySelectorAll("details[open]").forEach((one) => (one.open = false)));
    }
  }

  // Links within a sentence are as high as its lines; all else is large enough.
  async function hit(name, page) {
    const small = await page.evaluate((least) => {
      const found = [];
      for (const one of document.querySelectorAll("main a, main button, summary, input, select, textarea, header a, header button")) {
        const part = ["checkbox", "radio"].includes(one.type) ? one.closest("label") : one;
        const { width, height, right } = part.getBoundingClientRect();
        if (width === 0 || right < 0 || getComputedStyle(part).display === "inline") continue;
        if (Math.min(width, height) < least) found.push(`${part.outerHTML.slice(0, 80)} ${width}x${height}`);
      }
      return found;
    }, LEAST);
    for (const one of small) faults.add("page", `${name}: too small for a finger: ${one}`);
  }
});

// On a phone: no page is wider than it, everything that is touched is large enough, and a decision and a stop
// take a few touches.

import { story } from "./story.mjs";

// WCAG 2.2, 2.5.8: a target has 24 by 24 CSS pixels, unless it stands in a line of text.
const LEAST = 24;

await story(
  async ({ page, told, faults, saw, shot, accessible }) => {
    await page.goto(told.owner);
    for (const path of told.pages) {
      await page.goto(told.url + path);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) faults.add("page", `${path} is ${wide} pixels wider than the screen`);
      const small = await page.$$eval(
        "button, summary, input:not([type=hidden]), select, textarea, nav a, a.button, a.item",
        (all, least) =>
          all
            .filter((one) => one.checkVisibility() && !one.matches("label input, [type=checkbox], [type=radio]"))
            .map((one) => ({ box: one.getBoundingClientRect(), text: one.outerHTML.slice(0, 90) }))
            .filter(({ box }) => box.width < least || box.height < least)
            .map(({ text, box }) => `${text} ${Math.round(box.width)}x${Math.round(box.height)}`),
        LEAST,
      );
      for (const one of small) faults.add("page", `${path}: too small to touch: ${one}`);
      // What is opened lies on the screen, where it can be touched.
      for (const menu of await page.$$("details.act")) {
        if (!(await menu.isVisible())) continue;
        await menu.evaluate((one) => (one.open = true));
        const box = await menu.$eval("form, div", (one) => {
          one.scrollIntoView({ block: "nearest" });
          const { left, right } = one.getBoundingClientRect();
          return { left, right, wide: innerWidth, text: one.textContent.trim().slice(0, 40) };
        });
        if (box.left < 0 || box.right > box.wide) faults.add("page", `${path}: ${box.text} lies off the screen`);
        await menu.evaluate((one) => (one.open = false));
      }
      await shot(`phone${path.replaceAll("/", "-")}`);
    }
    await accessible("phone");
    let touches = 0;
    const touch = async (what) => {
      touches += 1;
      await page.tap(what);
    };
    await page.goto(told.url);
    await touch("#stop-notes");
    await shot("phone-stopping");
    await touch("form[action='/connectors/notes/pause'] button");
    saw("stopped", { touches, told: await page.textContent("[role=status].notice") });
    touches = 0;
    await page.goto(told.approver);
    await page.goto(told.url);
    await page.waitForSelector("#needs");
    saw("while stopped", await page.textContent("#connectors"));
  },
  { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, colorScheme: "dark" },
);

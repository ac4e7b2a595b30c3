// By keyboard alone: from the list to a decision, with the focus always in sight.

import { story } from "./story.mjs";

await story(async ({ page, told, faults, saw, shot, accessible }) => {
  const focused = () =>
    page.evaluate(() => {
      const one = document.activeElement;
      const style = getComputedStyle(one);
      return { tag: one.tagName, text: one.textContent.trim().slice(0, 40), seen: style.outlineStyle !== "none" && style.outlineWidth !== "0px" };
    });
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const inSight = async (what) => {
    const now = await focused();
    if (!now.seen) faults.add("page", `the focus on ${now.text} is not seen (${what})`);
    return now;
  };
  await page.goto(told.lena);
  await page.goto(`${told.url}/approvals`);
  await press("Tab");
  saw("first", await inSight("first"));
  await press("Enter");
  saw("skipped to", new URL(page.url()).hash);
  await press("j");
  saw("the first in the list", await inSight("j"));
  await press("j", "k", "Enter");
  await page.waitForURL("**/approvals/*");
  const one = page.url();
  await press("a");
  saw("approve", await inSight("a"));
  await shot("by-keyboard");
  await press("Enter");
  await page.waitForSelector("[role=status].notice");
  saw("approved", { same: page.url().startsWith(one), told: await page.textContent("[role=status].notice") });

  await page.goto(`${told.url}/approvals`);
  await press("j", "Enter");
  await page.waitForURL("**/approvals/*");
  await press("r");
  saw("reject", await inSight("r"));
  await accessible("rejecting");
  await press("Escape");
  saw("closed", { open: await page.locator("details.act[open]").count(), at: (await focused()).text });
  await press("r");
  await page.keyboard.type("we plan on paper: a, e, r and j are letters here");
  await press("Tab");
  await press("Enter");
  await page.waitForSelector("[role=status].notice");
  saw("rejected", await page.textContent("main"));
});

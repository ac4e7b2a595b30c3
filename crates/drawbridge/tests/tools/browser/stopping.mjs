// Olga stops a connector, all effects, and a connector for good; each click is counted.

import { ask } from "./office.mjs";
import { story } from "./story.mjs";

const LONGER = { path: "hours.md", replace: [{ old: "10-14", new: "10-16" }] };

await story(async ({ page, told, saw, look, menus }) => {
  let clicks = 0;
  const click = async (what) => {
    clicks += 1;
    await page.click(what);
  };
  const counted = async (name, more) => {
    saw(name, { clicks, ...more });
    clicks = 0;
  };
  const search = async () => (await ask(told, "notes_search", { query: "opening" })).status;
  await page.goto(told.links.olga);
  await look("home");
  await menus("home");
  await click("#stop-notes");
  await click("button:has-text('Stop notes')");
  await page.waitForSelector("text=Stopped: it is in force");
  await counted("stopped", { search: await search() });
  await look("stopped");

  await click("#start-notes");
  await click("button:has-text('Start notes')");
  saw("without a reason", { started: await page.locator("text=Started again").count(), search: await search() });
  await page.fill("#why-notes", "the folder is in order again");
  await click("button:has-text('Start notes')");
  await page.waitForSelector("text=Started again.");
  await counted("started", { search: await search() });

  await click("#stop-all");
  await click("button:has-text('Stop all effects now')");
  await page.waitForSelector("text=All effects are stopped");
  const { status } = await ask(told, "notes_update", LONGER);
  await counted("all stopped", { search: await search(), update: status });
  await look("all-stopped");
  await menus("all-stopped");
  await click("summary:has-text('Let effects go on')");
  await page.fill("#start-why", "it was a drill");
  await click("button:has-text('Let effects go on')");
  await page.waitForSelector("text=Started again.");
  await counted("all go on", { update: (await ask(told, "notes_update", LONGER)).status });

  await click("#connectors a:has-text('notes')");
  await look("connector");
  await menus("connector");
  await click("summary:has-text('Retire')");
  await page.fill("#retire-why", "the office closes");
  await click("button:has-text('Retire notes')");
  await page.waitForSelector("text=Retired for good.");
  await counted("retired", { search: await search() });
  await look("retired");
});

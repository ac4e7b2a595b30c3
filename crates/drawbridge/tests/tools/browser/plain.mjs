// The same without a script: deciding and stopping work, and times are told exactly.

import { story } from "./story.mjs";

await story(
  async ({ page, told, saw, shot }) => {
    await page.goto(told.approver);
    await page.goto(`${told.url}/approvals/${told.plan}`);
    saw("before", await page.textContent("table"));
    await page.click("form[action$='/approve'] button");
    saw("approved", { at: new URL(page.url()).pathname, told: await page.textContent("[role=status].notice") });
    await shot("without-script");
    await page.goto(told.owner);
    await page.click("#stop-notes");
    await page.click("form[action='/connectors/notes/pause'] button");
    saw("stopped", await page.textContent("#connectors"));
    saw("times", await page.getAttribute("time", "datetime"));
  },
  { javaScriptEnabled: false },
);

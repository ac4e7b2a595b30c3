// In a browser that runs no script, people decide and stop all the same.

import { ask, plan } from "./office.mjs";
import { story } from "./story.mjs";

await story(async ({ enter, told, saw, shot }) => {
  const lena = await enter(told.links.lena, { javaScriptEnabled: false });
  await lena.goto(await plan(told, "notes_write", { path: "new.md", content: "# New\n" }));
  saw("times", await lena.textContent("dl.facts time"));
  await shot("waiting", lena);
  await lena.click("button.yes");
  await lena.waitForSelector("text=Approved.");
  await lena.goto(await plan(told, "notes_write", { path: "other.md", content: "# New\n" }));
  await lena.click("summary:has-text('Reject')");
  await lena.fill("#reject-why", "not so");
  await lena.click("button.no:has-text('Reject')");
  await lena.waitForSelector("text=Rejected. Whoever asked is told why.");
  await lena.goto(told.url);
  await lena.click("#stop-notes");
  await shot("menu", lena);
  await lena.click("button:has-text('Stop notes')");
  await lena.waitForSelector("text=Stopped: it is in force");
  saw("stopped", (await ask(told, "notes_search", { query: "opening" })).status);
});

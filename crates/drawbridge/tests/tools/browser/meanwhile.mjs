// Two people at once: each sees within seconds, without loading anything again, what the other does.

import { browser, story } from "./story.mjs";
import { watch } from "./watch.mjs";

// How long a change may take to be seen.
const SOON = { timeout: 8_000 };

await story(async ({ page: lena, told, faults, saw, shot }) => {
  const other = await browser();
  const seen = await watch(other.context, told.url);
  const olga = other.context.pages()[0] ?? (await other.context.newPage());
  await lena.goto(told.lena);
  await olga.goto(told.olga);

  // A plan that both must agree to.
  const plan = `${told.url}/approvals/${told.delete}`;
  await lena.goto(plan);
  await olga.goto(plan);
  await lena.click("form[action$='/approve'] button");
  await olga.waitForFunction(() => document.getElementById("state").textContent.includes("lena@acme.example"), null, SOON);
  saw("olga sees the first yes", await olga.textContent("#state"));
  await olga.click("form[action$='/approve'] button");
  await lena.waitForFunction(() => document.getElementById("state").textContent.includes("Done."), null, SOON);
  saw("lena sees it done", { state: await lena.textContent("#state"), buttons: await lena.locator("form[action$='/approve']").count() });
  await shot("decided-by-two", lena);

  // A page that did not hear of it: what it sends does nothing, and says why.
  const late = await lena.context().newPage();
  await late.route("**/live?**", (route) => route.abort());
  faults.expect("console", /ERR_FAILED|409/, 3);
  await late.goto(`${told.url}/approvals/${told.update}`);
  await lena.goto(`${told.url}/approvals/${told.update}`);
  await lena.click("form[action$='/approve'] button");
  await late.click("form[action$='/approve'] button");
  saw("too late", await late.textContent("main"));
  await late.close();

  // What somebody writes is not taken from their hands.
  await lena.goto(`${told.url}/approvals/${told.write}`);
  await lena.click("summary[data-key=r]");
  await lena.fill("#reject-why", "half a sen");
  await olga.goto(`${told.url}/activity`);
  const before = await olga.locator("#records tbody tr").count();
  const call = await fetch(`${told.url}/api/v1/tools/notes_search`, {
    method: "POST",
    headers: { authorization: `Bearer ${told.ann}`, "content-type": "application/json" },
    body: JSON.stringify({ query: "hours" }),
  });
  await olga.waitForFunction((rows) => document.querySelectorAll("#records tbody tr").length > rows, before, SOON);
  saw("olga sees the call", { status: call.status, first: await olga.textContent("#records tbody tr") });
  await lena.waitForTimeout(2_500);
  saw("what lena wrote", await lena.inputValue("#reject-why"));

  // A stop is seen by whoever looks.
  await lena.goto(told.url);
  await olga.goto(told.url);
  await olga.click("#stop-notes");
  await olga.click("form[action='/connectors/notes/pause'] button");
  await lena.waitForFunction(() => document.getElementById("connectors").textContent.includes("stopped"), null, SOON);
  saw("lena sees the stop", await lena.textContent("#connectors"));

  // Whoever is no longer let in is shown nothing any more.
  await olga.goto(`${told.url}/people`);
  const session = olga.locator("#tokens tr", { hasText: "lena@acme.example" }).filter({ hasText: "session here" });
  saw("sessions of lena", await session.count());
  for (let left = await session.count(); left > 0; left -= 1) await session.first().locator("button").click();
  await lena.waitForURL("**/sign-in*", SOON);
  saw("lena is out", new URL(lena.url()).pathname);
  await other.close();
  for (const fault of seen.list) faults.add("olga", fault);
});

// Several people look at the same pages: what one does, the others see without loading anything again.

import { ask, plan, until } from "./office.mjs";
import { story } from "./story.mjs";

const change = (to) => ({ path: "hours.md", replace: [{ old: "# Opening hours", new: `# Opening hours ${to}` }] });

await story(async ({ enter, told, faults, saw, shot }) => {
  const lena = await enter(told.links.lena);
  const olga = await enter(told.links.olga);
  const home = told.url;

  // Both are asked; Lena decides, and Olga sees it where she sits.
  const at = await asked("of spring");
  await olga.goto(at);
  const stale = await enter(told.again);
  faults.expect("console", /\/live\?/);
  await stale.route("**/live?*", (route) => route.abort());
  await stale.goto(at);
  await lena.goto(at);
  await lena.click("button.yes");
  const took = await until("Olga sees it", () => olga.locator("#state .notice.good").isVisible());
  saw("decided", { took, buttons: await olga.locator("button.yes").count(), told: await olga.textContent("#said") });
  await shot("decided-by-another", olga);
  // Of the page that nobody renewed, the button does nothing.
  faults.expect("console", /409/);
  await stale.click("button.yes");
  saw("too late", await stale.textContent("main"));
  await shot("too-late", stale);

  // What somebody is typing stays in their hands, and is renewed once they let go.
  const other = await asked("of summer");
  await olga.goto(other);
  await olga.click("summary:has-text('Reject')");
  await olga.fill("#reject-why", "I would rather");
  await lena.goto(other);
  await lena.click("button.yes");
  await until("Olga sees it", () => olga.locator("#state .notice.good").isVisible());
  saw("still typed", await olga.inputValue("#reject-why"));
  await shot("typing", olga);
  await olga.fill("#reject-why", "");
  await olga.keyboard.press("Escape");
  await until("the form is gone", async () => (await olga.locator("#reject-why").count()) === 0);

  // A stop and a call.
  await lena.goto(home);
  await olga.goto(home);
  await olga.click("#stop-notes");
  await olga.click("button:has-text('Stop notes')");
  saw("stop seen after", await until("Lena sees the stop", () => lena.locator("#connectors :text('stopped')").isVisible()));
  await shot("stopped-by-another", lena);
  await olga.goto(`${home}/activity`);
  const rows = await olga.locator("#records tbody tr").count();
  await ask(told, "notes_search", { query: "opening" });
  const more = async () => (await olga.locator("#records tbody tr").count()) > rows;
  saw("call seen after", await until("Olga sees the call", more));

  // A page that nobody looks at is not followed, and shows what happened once somebody does.
  const looks = (state) =>
    olga.evaluate((now) => {
      Object.defineProperty(document, "visibilityState", { configurable: true, get: () => now });
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    }, state);
  await looks("hidden");
  const before = await olga.locator("#records tbody tr").count();
  await ask(told, "notes_search", { query: "opening" });
  // Longer than it takes where a page is followed.
  await olga.waitForTimeout(2_000);
  const unseen = (await olga.locator("#records tbody tr").count()) - before;
  await looks("visible");
  await until("Olga sees it then", async () => (await olga.locator("#records tbody tr").count()) > before);
  saw("while hidden", unseen);

  // Whose session is ended sees nothing further.
  await olga.goto(`${home}/people`);
  await olga.locator("#tokens tr", { hasText: "lena@acme.example" }).locator("button").first().click();
  await olga.waitForSelector("text=Revoked");
  saw("ended after", await until("Lena is out", () => new URL(lena.url()).pathname === "/sign-in"));
  await shot("ended", lena);

  // A change that Lena lets Olga decide too.
  async function asked(to) {
    const address = await plan(told, "notes_update", change(to));
    await lena.goto(address);
    await lena.click("summary:has-text('Ask others')");
    await lena.fill("#escalate-why", "look at it too");
    await lena.click("button:has-text('Ask others too')");
    await lena.waitForSelector("text=Others are asked too.");
    return address;
  }
});

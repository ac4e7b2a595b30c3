// From a wish to an end: somebody asks, a reviewer answers and puts a wider revision into force, an owner stops
// everything and lets it go on, and retires the connector.

import { story } from "./story.mjs";

await story(async ({ page, told, saw, shot, accessible }) => {
  const told_ = () => page.textContent("[role=status].notice");
  await page.goto(told.ann);
  await page.goto(`${told.url}/lifecycle`);
  await page.click("#ask > summary");
  await accessible("asking");
  await page.fill("#task", "Look up what a customer ordered");
  await page.fill("#system", "the shop's database");
  await page.uncheck("[name='power.read']");
  await page.fill("#why", "to answer on the telephone");
  await page.click("#ask button.main");
  saw("asked", { told: await told_(), list: await page.textContent("#requests") });

  await page.goto(told.rita);
  await page.goto(`${told.url}/lifecycle`);
  await page.click("#requests details summary");
  await page.check("[name=outcome][value=taken]");
  await page.fill("#requests input[type=text]", "next week");
  await page.click("#requests details button");
  saw("answered", await page.textContent("#requests"));
  await page.goto(told.url);
  saw("needs", await page.textContent("#needs"));
  await page.goto(`${told.url}/connectors/notes/revisions`);
  const sides = await page.$$eval(".sides .card", (cards) => cards.map((card) => card.textContent));
  saw("sides", sides);
  await shot("revisions-waiting");
  await page.click("details.act summary:has-text('Put it into force')");
  await page.fill("#approve-why", "drafts are what they need");
  await page.click("form[action$='/approve'] button");
  saw("in force", await told_());

  await page.goto(told.olga);
  await page.click("#stop-all");
  await page.click("form[action='/stop'] button");
  await shot("all-stopped");
  saw("all stopped", await page.textContent("main .notice.bad"));
  await page.click("main .notice.bad summary");
  await page.fill("#start-why", "it was a false alarm");
  await page.click("form[action='/start'] button");
  saw("going on", { told: await told_(), bad: await page.locator("main .notice.bad").count() });
  await page.goto(`${told.url}/connectors/notes`);
  await page.click("#pause");
  await page.fill("#pause-why", "stocktaking");
  await page.click("form[action$='/pause'] button");
  saw("stopped", await page.textContent("#standing"));
  await page.click("#resume");
  await page.click("form[action$='/resume'] button");
  saw("no reason", await page.evaluate(() => document.querySelector("#resume-why").validity.valueMissing));
  await page.fill("#resume-why", "all counted");
  await page.click("form[action$='/resume'] button");
  saw("started", await page.textContent("#standing"));
  await page.click("summary:has-text('Retire')");
  await page.fill("#retire-why", "there is a better one");
  await page.click("form[action$='/retire'] button");
  saw("retired", await page.textContent("#standing"));
  await page.goto(`${told.url}/connectors/notes/revisions`);
  saw("trail", await page.textContent("ol.steps"));
});

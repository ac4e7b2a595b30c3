// Lena is told that something waits, follows the link, signs in, and decides; Ann's client is told how it ended.

import { readFileSync } from "node:fs";
import { ask, notices, plan, until } from "./office.mjs";
import { story } from "./story.mjs";

const LONGER = { path: "hours.md", replace: [{ old: "10-14", new: "10-16" }] };

await story(async ({ page, enter, told, saw, look, menus }) => {
  const file = (name) => readFileSync(`${told.files}/${name}`, "utf8");
  const hook = await notices(told.hook);
  const first = await plan(told, "notes_update", LONGER);
  await until("somebody is told", () => hook.got.length > 0);
  const link = hook.got[0].data.link;
  saw("told", { link: link === first, sentence: hook.got[0].data.sentence });
  await page.goto(link);
  saw("asked to sign in", new URL(page.url()).pathname);
  await page.fill("#token", told.token);
  await page.click("form[action='/sign-in'] button");
  saw("back at", page.url() === link);
  saw("before and after", await page.locator(".diff .changed").allTextContents());
  await look("waiting");
  await menus("waiting");
  await page.click("button.yes");
  await page.waitForSelector(".notice.good:has-text('Done,')");
  saw("receipt", await page.textContent("#state"));
  saw("on the disk", file("hours.md"));
  await look("done");

  // Ann takes it back: a plan like any other, which Lena decides.
  const ann = await enter(told.links.ann);
  await ann.goto(link);
  await ann.click("summary:has-text('Undo')");
  await ann.fill("#undo-why", "the old hours were right");
  await ann.click("button:has-text('Plan the way back')");
  await look("way-back", ann);
  saw("why she may not", await ann.textContent("#decide"));
  await page.goto(ann.url());
  await page.click("button.yes");
  await page.waitForSelector(".notice.good:has-text('Done,')");
  saw("as it was", file("hours.md"));
  await page.goto(link);
  await look("taken-back");

  await rejects();
  await edits();
  await asksOthers();
  await drafts();
  hook.close();

  async function rejects() {
    const at = await plan(told, "notes_write", { path: "plans.md", content: "# Plans\n" });
    await page.goto(at);
    await page.click("summary:has-text('Reject')");
    await page.fill("#reject-why", "we plan on paper");
    await page.click("#decide button.no");
    await page.waitForSelector("text=Rejected. Whoever asked is told why.");
    await look("rejected");
    const answer = await ask(told, "drawbridge_result", { id: at.split("/").pop() });
    saw("Ann's client is told", answer);
  }

  async function edits() {
    await page.goto(await plan(told, "notes_update", LONGER));
    await page.click("summary:has-text('Edit')");
    const box = page.getByLabel(/^replace/);
    await box.fill((await box.inputValue()).replace("10-16", "10-15"));
    await page.click("button:has-text('Plan it so')");
    await page.waitForSelector("text=This is another plan now");
    await look("edited");
    saw("edited, not done yet", file("hours.md"));
    await page.click("button.yes");
    await page.waitForSelector(".notice.good:has-text('Done,')");
    saw("edited, done", file("hours.md"));
  }

  async function asksOthers() {
    const at = await plan(told, "notes_delete", { path: "team.md" });
    const olga = await enter(told.links.olga);
    await page.goto(at);
    await page.click("button.yes");
    await page.waitForSelector("text=Approved.");
    saw("one of two", { there: file("team.md").length > 0, said: await page.textContent("#decide") });
    await look("one-of-two");
    await olga.goto(`${told.url}/approvals`);
    await look("inbox", olga);
    await olga.click(`a[href='${new URL(at).pathname}']`);
    await olga.click("button.yes");
    await olga.waitForSelector(".notice.good:has-text('Done,')");
    const other = await plan(told, "notes_update", { path: "hours.md", replace: [{ old: "9-17", new: "9-18" }] });
    await olga.goto(other);
    saw("not hers yet", await olga.textContent("#decide"));
    await page.goto(other);
    await page.click("summary:has-text('Ask others')");
    await page.fill("#escalate-why", "it is the house's affair");
    await page.click("button:has-text('Ask others too')");
    await page.waitForSelector("text=escalated");
    await olga.waitForSelector("button:has-text('Approve')");
    await look("escalated", olga);
    await olga.click("button.yes");
    await olga.waitForSelector(".notice.good:has-text('Done,')");
  }

  async function drafts() {
    for (const [act, name] of [["Throw away", "away.md"], ["Send it on", "kept.md"]]) {
      const answer = await ask(told, "notes_draft", { path: name, content: "# A draft\n" });
      const at = `${told.url}/approvals/${answer.plan.id}`;
      await ann.goto(at);
      await look(`draft-${name}`, ann);
      await ann.click(`button:has-text("${act}")`);
      await ann.waitForLoadState();
      saw(act, await ann.textContent("#state"));
      await look(`after-${name}`, ann);
    }
    await page.goto(ann.url());
    await page.click("button.yes");
    await page.waitForSelector(".notice.good:has-text('Done,')");
    saw("the draft", file("kept.md"));
  }
});

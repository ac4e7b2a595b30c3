// Lena decides without a mouse, and always sees where she is.

import { plan, until } from "./office.mjs";
import { story } from "./story.mjs";

const add = (name) => ({ path: name, content: "# New\n" });

await story(async ({ enter, told, faults, saw, shot }) => {
  const lena = await enter(told.links.lena);
  const press = async (...keys) => {
    for (const key of keys) {
      await lena.keyboard.press(key);
      await seen(`after ${key}`);
    }
  };
  // What has the focus, where the focus can be seen.
  const seen = async (when) => {
    const at = await lena.evaluate(() => {
      const active = document.activeElement;
      const style = getComputedStyle(active);
      const box = active.getBoundingClientRect();
      const inside = box.width > 0 && box.right > 0 && box.bottom > 0 && box.top < innerHeight && box.left < innerWidth;
      return { tag: active.tagName, lost: active === document.body, drawn: style.outlineStyle !== "none", inside };
    });
    if (at.lost || !at.drawn || !at.inside) faults.add("focus", `${when}: ${JSON.stringify(at)}`);
  };
  const focused = () => lena.evaluate(() => document.activeElement.textContent.trim());

  const first = await plan(told, "notes_write", add("first.md"));
  const second = await plan(told, "notes_write", add("second.md"));
  await lena.goto(`${told.url}/approvals`);
  await press("Tab");
  saw("first of all", await focused());
  await shot("skip", lena);
  await lena.keyboard.press("Enter");
  await press("j");
  saw("j", await lena.evaluate(() => document.activeElement.id));
  // Another comes in, and the focus stays where it was.
  const third = await plan(told, "notes_write", add("third.md"));
  await until("it is on the list", async () => (await lena.locator("#inbox a.item").count()) === 3);
  saw("j, after another came", await lena.evaluate(() => document.activeElement.id));
  await press("j", "k", "j");
  await shot("chosen", lena);
  await lena.goto(first);
  await press("a");
  saw("a", await focused());
  // Something else on the page changes under her hands.
  await lena.goto(second);
  await press("r");
  await lena.keyboard.type("not now");
  await press("Escape");
  saw("closed", { open: await lena.locator("details[open]").count(), at: await focused() });
  await press("r");
  await press("Tab");
  await lena.keyboard.press("Enter");
  await lena.waitForSelector("text=Rejected. Whoever asked is told why.");
  await lena.goto(`${told.url}/approvals`);
  await press("j", "j");
  await lena.keyboard.press("Enter");
  await lena.waitForSelector("#decide");
  saw("opened", [first, third].includes(lena.url()));
  await press("a");
  await lena.keyboard.press("Enter");
  await lena.waitForSelector(".notice.good:has-text('Done,')");
  saw("done", await lena.textContent("#state"));

  // What had the focus is gone: it goes to the part that it was in.
  const left = lena.url().startsWith(first) ? third : first;
  const other = await enter(told.again);
  await lena.goto(left);
  await press("a");
  await other.goto(left);
  await other.click("button.yes");
  await until("it is done", () => lena.locator("#state .notice.good").isVisible());
  saw("not lost", await lena.evaluate(() => document.activeElement.closest("main") !== null));
});

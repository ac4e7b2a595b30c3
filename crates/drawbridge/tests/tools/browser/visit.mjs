// Somebody signs in by a link, looks at every page that the console names, and signs out.

import { story } from "./story.mjs";

await story(async ({ page, context, told, faults, saw, look }) => {
  const home = new URL("/", told.url).href;
  await page.goto(told.link);
  saw("signed in", { at: new URL(page.url()).pathname, called: await page.textContent("header .brand") });
  const cookies = (await context.cookies()).filter(({ name }) => name !== "drawbridge-zone").map(({ httpOnly, sameSite }) => ({ httpOnly, sameSite }));
  saw("cookies", { cookies, seen: await page.evaluate(() => document.cookie.replace(/drawbridge-zone=[^;]*/, "")) });
  const links = await page.$$eval("nav a", (all) => all.map((link) => link.getAttribute("href")));
  saw("pages", links);
  for (const link of links) {
    const name = link.slice(1) || "home";
    const answer = await page.goto(new URL(link, home).href);
    if (answer.status() !== 200) faults.add("page", `${link} answers ${answer.status()}`);
    await look(name);
  }
  const session = await context.cookies();
  await page.goto(home);
  await page.click("header details.act:last-of-type summary");
  await page.click("form[action='/sign-out'] button");
  await page.waitForURL("**/sign-in*");
  await look("sign-in");
  // Neither the page before nor what a thief has kept of the session shows anything any more.
  await page.goto(home);
  saw("signed out", new URL(page.url()).pathname);
  await context.addCookies(session);
  await page.goto(home);
  saw("with what was kept", new URL(page.url()).pathname);
  // The link works once.
  faults.expect("console", /403/);
  const again = await page.goto(told.link);
  saw("the link again", { status: again.status(), told: await page.textContent("[role=alert]") });
});

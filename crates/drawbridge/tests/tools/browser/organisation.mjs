// Somebody signs in by their organisation: away to it, and back to where they were going.

import { story } from "./story.mjs";

await story(async ({ page, told, faults, saw, shot }) => {
  // The organisation is the one other place that a browser is sent to.
  const away = faults.expect("elsewhere", new RegExp(`^${told.issuer}/authorize\\?`));
  await page.goto(new URL("/activity", told.url).href);
  saw("asked to sign in", new URL(page.url()).pathname);
  await shot("asked");
  await page.click("a[href^='/sign-in/oidc']");
  await page.waitForURL("**/activity");
  saw("signed in", { away: away.times, said: await page.textContent("form[action='/sign-out']") });
  await shot("in");
  await page.goBack();
  await page.goto(told.url);
  saw("home", new URL(page.url()).pathname);
});

// Every page with hostile text in everything that others write: nothing runs, nothing becomes an element, and
// what would hide is shown by its number.

import { readFileSync } from "node:fs";
import { story } from "./story.mjs";

const strings = JSON.parse(readFileSync(new URL("hostile.json", import.meta.url)));
// What must not be on a page as itself: controls, marks of direction, what shows nothing.
const HIDES = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ue000-\uf8ff\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb]|[\u{e0000}-\u{e0fff}]/u;
// What no page of ours has.
const FOREIGN =
  "img, iframe, object, embed, base, video, marquee, style, body script, meta[http-equiv], [style], [srcdoc], [formaction], " +
  "a[href^='javascript' i], a[href^='http'], a[href^='data' i], form[action^='http'], link[href^='http']";

/** Text as people are to see it. */
const visible = (text) =>
  [...text]
    .map((letter) =>
      letter !== "\n" && letter !== "\t" && HIDES.test(letter)
        ? `⟦U+${letter.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟧`
        : letter,
    )
    .join("");

await story(async ({ page, told, faults, saw, shot, accessible }) => {
  await page.goto(told.owner);
  const seen = {};
  for (const path of told.pages) {
    const answer = await page.goto(told.url + path);
    if (answer.status() !== 200) faults.add("page", `${path} answers ${answer.status()}`);
    for (const part of await page.$$("details")) await part.evaluate((one) => (one.open = true));
    const found = await page.evaluate((foreign) => {
      const handlers = [...document.querySelectorAll("*")].filter((one) => one.getAttributeNames().some((name) => name.startsWith("on")));
      return {
        foreign: [...document.querySelectorAll(foreign), ...handlers].map((one) => one.outerHTML.slice(0, 120)),
        hacked: window.hacked ?? null,
        text: document.documentElement.textContent,
        attributes: [...document.querySelectorAll("*")].flatMap((one) => one.getAttributeNames().map((name) => one.getAttribute(name))).join("\n"),
        title: document.title,
      };
    }, FOREIGN);
    for (const one of found.foreign) faults.add("page", `${path} holds ${one}`);
    if (found.hacked !== null) faults.add("page", `${path} ran what it shows`);
    for (const [where, text] of [["text", found.text], ["an attribute", found.attributes], ["title", found.title]]) {
      const hidden = HIDES.exec(text.replaceAll("\r", ""));
      if (hidden) faults.add("page", `${path}: ${where} hides U+${hidden[0].codePointAt(0).toString(16)}: ${JSON.stringify(text.slice(hidden.index - 20, hidden.index + 20))}`);
    }
    seen[path] = found.text;
    await shot(`hostile${path.replaceAll(/[/?=&@%]/g, "-").slice(0, 60)}`);
  }
  // On the pages that show them, all of them stand there, to the letter.
  for (const path of told.whole) {
    const missing = strings.filter((text) => !seen[path].includes(visible(text)));
    saw(`missing on ${path}`, missing.map(visible));
  }
  await page.goto(told.url + told.whole[0]);
  await accessible("hostile");
});

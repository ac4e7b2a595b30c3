// Ann asks for a connector, Rita answers; a wider file waits, and Rita sees what it widens before it is in force.

import { readFileSync, writeFileSync } from "node:fs";

import { story } from "./story.mjs";

await story(async ({ enter, told, saw, look, menus, shot }) => {
  const ann = await enter(told.links.ann);
  await ann.goto(`${told.url}/lifecycle`);
  await look("nothing-asked", ann);
  await ann.click("#ask > summary");
  await look("asking", ann);
  await ann.fill("#task", "look up what a customer ordered");
  await ann.fill("#system", "the shop's database");
  await ann.fill("#data", "orders and names, internal");
  await ann.fill("#why", "customers ask every day");
  await ann.click("button:has-text('Ask')");
  await ann.waitForSelector("text=Your request is kept.");
  saw("asked", await ann.textContent("#requests"));
  const rita = await enter(told.links.rita);
  await rita.goto(`${told.url}/lifecycle`);
  await rita.click("#requests summary:has-text('Answer')");
  await look("answering", rita);
  await rita.click("label:has-text('It is being made')");
  await rita.fill("#requests input[type=text]", "the owner of the shop agrees");
  await rita.click("#requests button:has-text('Answer')");
  await rita.waitForSelector("text=Answered.");
  await ann.waitForSelector("#requests :text('the owner of the shop agrees')");
  await look("answered", ann);

  const file = readFileSync(told.connector, "utf8");
  const wider = file.replace('include: ["**/*.md"]', 'include: ["**/*.md", "**/*.txt"]');
  writeFileSync(told.connector, wider.replace("may: [read, search, draft, write, update, delete]", "may: [read, search, draft, write, update]"));
  await rita.goto(`${told.url}/connectors/notes/revisions`);
  for (let at = 0; at < 40 && !(await rita.locator("text=Waits for review").count()); at += 1) {
    await rita.waitForTimeout(250);
    await rita.reload();
  }
  saw("wider", await rita.textContent(".sides .card:nth-child(1)"));
  saw("narrower", await rita.textContent(".sides .card:nth-child(2)"));
  await look("waiting", rita);
  await rita.goto(told.url);
  await look("needs-review", rita);
  await rita.goto(`${told.url}/connectors/notes/revisions`);
  await rita.click("summary:has-text('Put it into force')");
  await shot("putting", rita);
  await rita.fill("#approve-why", "text files are notes too");
  await rita.click("button:has-text('Put it into force')");
  await rita.waitForSelector("text=The revision is in force.");
  await rita.goto(`${told.url}/connectors/notes/revisions`);
  saw("in force", await rita.textContent("main"));
  await look("in-force", rita);
  await menus("in-force", rita);
});

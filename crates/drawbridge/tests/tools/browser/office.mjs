// What happens at the office while people sit at the console.

import { createServer } from "node:http";

/** What Ann's AI client asks of a tool; its answer. */
export async function ask(told, tool, body) {
  const answer = await fetch(`${told.url}/api/v1/tools/${tool}`, {
    method: "POST",
    headers: { authorization: `Bearer ${told.ann}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return answer.json();
}

/** The address of the plan that such a call makes. */
export async function plan(told, tool, body) {
  const answer = await ask(told, tool, body);
  if (!answer.plan) throw new Error(JSON.stringify(answer));
  return `${told.url}/approvals/${answer.plan.id}`;
}

/** Waits until something is so, and tells how long that took. */
export async function until(what, is) {
  const began = Date.now();
  while (!(await is())) {
    if (Date.now() - began > 15_000) throw new Error(`it was never so: ${what}`);
    await new Promise((then) => setTimeout(then, 20));
  }
  return Date.now() - began;
}

/** A server of the office's that is told of what waits: the notices it got. */
export async function notices(port) {
  const got = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    got.push(JSON.parse(body));
    response.writeHead(204).end();
  });
  await new Promise((ready) => server.listen(port, "127.0.0.1", ready));
  return { got, close: () => server.close() };
}

/** Every page that there is for somebody, by name; those of one plan, and of one call, with them. */
export async function everyPage(page, told, plans = []) {
  const explained = new URLSearchParams({ person: "ann@acme.example", client: "claude", tool: "notes_update", arguments: '{"path":"hours.md","replace":[{"old":"10-14","new":"10-15"}]}' });
  const searched = new URLSearchParams({ person: "ann@acme.example", connector: "notes", query: "hours" });
  const pages = {
    home: "/",
    approvals: "/approvals?all=1",
    activity: "/activity?looks=1",
    checklist: "/connectors/notes",
    access: "/connectors/notes/access",
    revisions: "/connectors/notes/revisions",
    usage: "/connectors/notes/usage",
    lifecycle: "/lifecycle",
    people: "/people",
    explain: `/people/explain?${explained}`,
    sources: `/sources?${searched}`,
  };
  for (const [at, plan] of plans.entries()) pages[`plan-${at}`] = new URL(plan).pathname;
  await page.goto(`${told.url}/activity`);
  pages.record = await page.getAttribute("#records tbody a", "href");
  return Object.entries(pages).map(([name, path]) => [name, told.url + path]);
}

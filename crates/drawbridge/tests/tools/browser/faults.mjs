// Pages that do what no page of the console may do: the watch must see each. It serves them itself.

import { createServer } from "node:http";
import { story } from "./story.mjs";

const PAGES = {
  "/fine": "<script>console.log('nothing')</script><p>fine",
  "/error": "<script>setTimeout(() => { throw new Error('thrown') })</script>",
  "/rejected": "<script>Promise.reject(new Error('rejected'))</script>",
  "/console": "<script>console.error('said')</script>",
  "/policy": "<script>document.title = 'ran'</script>",
  "/reported": "<script>document.title = 'ran'</script>",
  "/dialog": "<script>setTimeout(() => alert('asked'))</script>",
  "/elsewhere": "<img src='http://elsewhere.example/x.png'>",
  "/missing": "<img src='/nothing.png'>",
};
const POLICIES = {
  "/policy": ["Content-Security-Policy", "script-src 'self'"],
  "/reported": ["Content-Security-Policy-Report-Only", "script-src 'self'"],
};

const server = createServer((request, response) => {
  const page = PAGES[request.url];
  if (POLICIES[request.url]) response.setHeader(...POLICIES[request.url]);
  response.setHeader("Content-Type", "text/html");
  response.statusCode = page === undefined && request.url !== "/favicon.ico" ? 404 : 200;
  response.end(`<!doctype html><html lang=en><title>page</title>${page ?? ""}`);
});
const { breaks } = JSON.parse(process.argv[2]);
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const base = `http://127.0.0.1:${server.address().port}`;
process.argv[2] = JSON.stringify({ url: base });

await story(async ({ page, faults, saw, accessible }) => {
  if (breaks) await page.click("#nothing", { timeout: 100 });
  for (const path of Object.keys(PAGES)) {
    faults.list.length = 0;
    await page.goto(base + path, { waitUntil: "load" });
    const until = Date.now() + 10_000;
    while (path !== "/fine" && faults.list.length === 0 && Date.now() < until) await page.waitForTimeout(10);
    // What came together is told together.
    await page.evaluate(() => new Promise((then) => requestAnimationFrame(() => setTimeout(then))));
    saw(path, faults.list.map((fault) => fault.replaceAll(base, "")));
  }
  faults.list.length = 0;
  await page.setContent("<title>page</title><img src='data:,'><input>");
  await accessible("a page that nobody can hear");
  saw("accessible", [...faults.list]);
  faults.list.length = 0;
  const said = faults.expect("console", /said/);
  await page.goto(`${base}/console`, { waitUntil: "load" });
  saw("expected", { times: said.times, faults: [...faults.list] });
});
server.close();

// What must not happen in a browser, whatever the story: each makes a fault.

/** What went wrong, beside what a story says it expects. */
export function known() {
  const expected = [];
  const list = [];
  return {
    list,
    add(kind, text) {
      const told = expected.find((one) => one.kind === kind && one.words.test(text));
      if (told) told.times += 1;
      else list.push(`${kind}: ${text}`);
    },
    /** Says that faults of this kind with these words are part of the story from here on. */
    expect(kind, words) {
      const one = { kind, words, times: 0 };
      expected.push(one);
      return one;
    },
  };
}

/** Watches all pages of a context, of which none may ask anything of another origin than `url`'s. */
export async function watch(context, url, faults) {
  const origin = url && new URL(url).origin;
  context.on("weberror", (error) => faults.add("error", String(error.error())));
  context.on("console", (message) => {
    if (message.type() === "error") faults.add("console", `${message.text()} ${message.location().url}`);
  });
  context.on("dialog", async (dialog) => {
    faults.add("dialog", `${dialog.type()}: ${dialog.message()}`);
    await dialog.dismiss().catch(() => {});
  });
  context.on("request", (request) => {
    const asked = new URL(request.url());
    const inside = ["about:", "blob:", "data:"].includes(asked.protocol);
    if (origin && !inside && asked.origin !== origin) faults.add("elsewhere", request.url());
  });
  context.on("page", (page) => page.on("crash", () => faults.add("crash", page.url())));
  await context.exposeBinding("drawbridgeViolation", (_, text) => faults.add("policy", text));
  await context.addInitScript(() => {
    const tell = (event) => {
      const { effectiveDirective, blockedURI, sourceFile, lineNumber } = event;
      window.drawbridgeViolation(`${effectiveDirective} ${blockedURI} ${sourceFile}:${lineNumber}`);
    };
    document.addEventListener("securitypolicyviolation", tell);
  });
}

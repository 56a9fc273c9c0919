// Drives Debian's Chromium for the tests of the page, which are written in Python: one JSON object a line on standard
// input says what to do, one on standard output what came of it.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
});
let context;
let page;
let said = []; // on the console, and exceptions of the page
let asked = []; // every request: its URL

const commands = {
  /** A fresh window; `answers` are bodies that are given instead of the gateway's, by path. */
  async open({ url, width = 1440, height = 900, scheme = "light", reducedMotion = "reduce", answers = {} }) {
    await context?.close();
    context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion,
      timezoneId: "UTC", bypassCSP: false });
    page = await context.newPage();
    said = [];
    asked = [];
    page.on("console", (message) => said.push({ type: message.type(), text: message.text() }));
    page.on("pageerror", (error) => said.push({ type: "exception", text: String(error) }));
    page.on("request", (request) => asked.push(request.url()));
    for (const [path, answer] of Object.entries(answers)) await answer_with({ path, ...answer });
    await page.goto(url, { waitUntil: "domcontentloaded" });
  },
  /** From now on a path is answered so; with nothing but a path, not at all. */
  answer: answer_with,
  evaluate: ({ script }) => page.evaluate(script),
  /** Waits until a script's value is true; asked anew each time, as the page's policy lets nothing in it be evaluated. */
  async wait({ script, seconds = 30 }) {
    const deadline = performance.now() + seconds * 1000;
    while (!(await page.evaluate(script))) {
      if (performance.now() > deadline) throw new Error("it has not come to that");
      await new Promise((resume) => setTimeout(resume, 50));
    }
  },
  press: ({ key }) => page.keyboard.press(key),
  type: ({ text }) => page.keyboard.type(text),
  resize: ({ width, height }) => page.setViewportSize({ width, height }),
  scheme: ({ scheme }) => page.emulateMedia({ colorScheme: scheme }),
  said: () => said,
  asked: () => asked,
  /** What the window shows: a WebP is a third of a PNG. */
  async screenshot({ path }) {
    const session = await context.newCDPSession(page);
    const { data } = await session.send("Page.captureScreenshot", path.endsWith(".png") ? { format: "png" } : { format: "webp", quality: 82 });
    await session.detach();
    writeFileSync(path, Buffer.from(data, "base64"));
  },
  /** What axe finds wrong. Its own code comes by the debugger, which the page's policy does not hold for. */
  async axe() {
    const session = await context.newCDPSession(page);
    await session.send("Runtime.evaluate", { expression: axe });
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
      expression: `axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
        .then(({ violations }) => violations.map(({ id, help, nodes }) => ({ id, help,
          nodes: nodes.slice(0, 5).map((node) => node.html.slice(0, 200) + " | " + node.failureSummary) })))`,
      awaitPromise: true,
      returnByValue: true,
    });
    await session.detach();
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  },
};

async function answer_with({ path, status = 200, body, type = "application/json" }) {
  const pattern = (url) => url.pathname === path;
  await page.unroute(pattern).catch(() => {});
  await page.route(pattern, (route) =>
    body === undefined ? route.abort() : route.fulfill({ status, contentType: type, body: typeof body === "string" ? body : JSON.stringify(body) }));
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...options } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await commands[command](options)) ?? null };
  } catch (error) {
    answer = { error: String(error.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();

// Looks at pages of a running exporter with Chromium: at 390, 1040 and 1280 px, light and dark, with
// scripts off.
//
//   node tests/pages/check.mjs OUT URL...
//
// Writes a picture of each to the folder OUT. Fails if something is wider than the page or, with
// AXE=<axe.min.js of the npm package axe-core>, if axe has findings. CHROMIUM=<binary> selects the browser.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [out, ...urls] = process.argv.slice(2);
const axe = process.env.AXE && readFileSync(process.env.AXE, "utf8");
const profile = mkdtempSync(join(tmpdir(), "pages-"));
mkdirSync(out, { recursive: true });
const browser = spawn(
  process.env.CHROMIUM ?? "chromium",
  ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", `--user-data-dir=${profile}`],
  { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
);

// Messages of the DevTools protocol are JSON, each followed by a zero byte.
const calls = new Map();
let loaded;
let received = "";
browser.stdio[4].setEncoding("utf8").on("data", (data) => {
  const messages = (received + data).split("\0");
  received = messages.pop();
  for (const { id, method, result, error } of messages.map(JSON.parse)) {
    if (method === "Page.loadEventFired") loaded?.();
    const call = calls.get(id);
    calls.delete(id);
    if (error) call?.reject(new Error(error.message));
    else call?.resolve(result);
  }
});

let session;
function send(method, params = {}) {
  const id = calls.size ? Math.max(...calls.keys()) + 1 : 1;
  browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: session })}\0`);
  return new Promise((resolve, reject) => calls.set(id, { resolve, reject }));
}

async function evaluate(expression) {
  const options = { expression, awaitPromise: true, returnByValue: true };
  const { result, exceptionDetails } = await send("Runtime.evaluate", options);
  if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
  return result.value;
}

const wide = (width) => `[...document.querySelectorAll("body *")]
  .filter((it) => it.getBoundingClientRect().right > ${width + 1} && !it.closest(".hidden, thead"))
  .map((it) => it.tagName + ": " + it.textContent.slice(0, 40))`;
const FINDINGS = `axe.run().then(({ violations }) =>
  violations.map(({ id, nodes }) => id + ": " + nodes.map((it) => it.html).join(" ").slice(0, 300)))`;

const { targetId } = await send("Target.createTarget", { url: "about:blank" });
session = (await send("Target.attachToTarget", { targetId, flatten: true })).sessionId;
await send("Page.enable");
// The pages forbid scripts; axe is one.
await send("Page.setBypassCSP", { enabled: true });
await send("Network.setExtraHTTPHeaders", { headers: { Accept: "text/html" } });
let problems = 0;
for (const [index, url] of urls.entries()) {
  // Tables become cards below 1024 px.
  for (const width of [390, 1040, 1280]) {
    for (const value of ["light", "dark"]) {
      const metrics = { width, height: 900, deviceScaleFactor: 1, mobile: width < 500 };
      await send("Emulation.setDeviceMetricsOverride", metrics);
      await send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] });
      await send("Emulation.setScriptExecutionDisabled", { value: true });
      const load = new Promise((resolve) => (loaded = resolve));
      await send("Page.navigate", { url });
      await load;
      await send("Emulation.setScriptExecutionDisabled", { value: false });
      const found = await evaluate(wide(width));
      if (axe) found.push(...(await evaluate(`${axe}; ${FINDINGS}`)));
      for (const problem of found) console.log(`${url} ${width} ${value}: ${problem}`);
      problems += found.length;
      const picture = await send("Page.captureScreenshot", { captureBeyondViewport: true });
      writeFileSync(join(out, `${index}-${width}-${value}.png`), picture.data, "base64");
    }
  }
}
browser.once("exit", () => {
  rmSync(profile, { recursive: true, force: true });
  console.log(`${urls.length} pages, ${problems} problems`);
  process.exit(problems ? 1 : 0);
});
await send("Browser.close").catch(() => {});

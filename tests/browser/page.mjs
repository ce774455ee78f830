// Opens a page of `rattle report` in a real browser, as light, dark and on a phone, and fails
// on a request, an error of the console, markup that came out of a record, or a page that is
// wider than its screen. Writes a screenshot of each.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, executablePath, page, shots] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/`)("playwright-core");

const args = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const views = {
  light: { viewport: { width: 1100, height: 900 }, colorScheme: "light" },
  dark: { viewport: { width: 1100, height: 900 }, colorScheme: "dark" },
  phone: { viewport: { width: 375, height: 800 }, colorScheme: "light", isMobile: true, deviceScaleFactor: 2 },
};
const faults = [];
const fault = (what) => faults.push(what);

const browser = await chromium.launch({ executablePath, args });
for (const [name, view] of Object.entries(views)) {
  const context = await browser.newContext(view);
  const tab = await context.newPage();
  const url = pathToFileURL(page).href;
  tab.on("console", (message) => fault(`${name}: the console says ${message.text()}`));
  tab.on("pageerror", (error) => fault(`${name}: ${error}`));
  tab.on("dialog", (dialog) => { fault(`${name}: a dialog`); dialog.dismiss(); });
  tab.on("request", (request) => {
    if (request.url() !== url && !request.url().startsWith("data:")) fault(`${name}: asks for ${request.url()}`);
  });
  await tab.goto(url);
  await tab.waitForTimeout(300);
  const seen = await tab.evaluate(() => {
    const color = (text) => text.match(/[\d.]+/g).slice(0, 3).map(Number);
    const luminance = ([r, g, b]) => {
      const part = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
      return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    };
    const page = luminance(color(getComputedStyle(document.body).backgroundColor));
    const contrast = (of) => {
      const [high, low] = [luminance(color(of)), page].sort((a, b) => b - a);
      return (high + 0.05) / (low + 0.05);
    };
    const texts = [...document.querySelectorAll("h1,h2,h3,p,td,th,figcaption,code,.severity")];
    return {
      scripts: document.querySelectorAll("script,img,iframe,object,embed,form,a,base").length,
      handlers: [...document.querySelectorAll("*")].filter((e) => [...e.attributes].some((a) => /^on/i.test(a.name))).length,
      charts: document.querySelectorAll("svg").length,
      findings: document.querySelectorAll(".finding").length,
      wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      page,
      faint: texts.filter((e) => contrast(getComputedStyle(e).color) < 4.5).map((e) => e.textContent.slice(0, 40)),
      // Labels of charts, in pixels as they are shown.
      label: Math.min(...[...document.querySelectorAll("svg text")].map((e) => e.getBoundingClientRect().height)),
      labels: [...document.querySelectorAll("svg text")].filter((e) => contrast(getComputedStyle(e).fill) < 4.5).length,
      text: document.body.innerText,
    };
  });
  if (seen.scripts || seen.handlers) fault(`${name}: markup came out of a record`);
  if (!seen.charts || !seen.findings) fault(`${name}: ${seen.charts} charts, ${seen.findings} findings`);
  if (seen.wider > 0) fault(`${name}: ${seen.wider} pixels wider than the screen`);
  if ((name === "dark") !== (seen.page < 0.2)) fault(`${name}: the page has the luminance ${seen.page}`);
  if (seen.faint.length || seen.labels) fault(`${name}: too faint: ${seen.faint} and ${seen.labels} labels`);
  if (seen.label < 9) fault(`${name}: a label of a chart is ${seen.label} pixels high`);
  for (const word of process.env.MUST_SHOW?.split("\n") ?? []) {
    if (!seen.text.includes(word)) fault(`${name}: does not show ${word}`);
  }
  await tab.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
  console.log(`${name}: ${seen.charts} charts, ${seen.findings} findings, labels of ${seen.label.toFixed(1)} pixels`);
  await context.close();
}
await browser.close();
for (const one of faults) console.error(one);
process.exit(faults.length ? 1 : 0);

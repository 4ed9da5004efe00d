// Many odd cards and every other visitor page, rendered without a server: are they right, and can everybody use them?
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { HtmlValidate, FileSystemConfigLoader } from "html-validate";
import { launch, violations } from "../support/browser.mjs";

const build = process.env.BUILD ?? "build";
const FIRST_FLIGHT = 14 * 1024, PAGE_MAX = 30 * 1024;
const folder = mkdtempSync(join(tmpdir(), "pages-"));
execFileSync(`${build}/tests/browser/render`, ["tests/fixtures/pages.json", folder]);
const pages = readdirSync(folder).map((file) => file.replace(/\.html$/, ""));
const html = Object.fromEntries(pages.map((name) => [name, readFileSync(join(folder, `${name}.html`), "utf8")]));
const picture = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==", "base64");

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); rmSync(folder, { recursive: true }); });

// Opens a rendered page as if it came from a server; asked collects every other address it loads.
async function open(name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, ...options });
  const page = await context.newPage();
  page.asked = [];
  page.dialogs = 0;
  page.on("dialog", (dialog) => { page.dialogs++; dialog.dismiss(); });
  await page.route("**/*", (route) => {
    const { pathname } = new URL(route.request().url());
    if (pathname === "/page") return route.fulfill({ contentType: "text/html; charset=utf-8", body: html[name] });
    page.asked.push(pathname);
    const style = pathname.match(/^\/assets\/(\w+)\.\w+\.css$/);
    if (style) return route.fulfill({ contentType: "text/css", body: readFileSync(`assets/${style[1]}.css`) });
    if (/\.(png|jpg)$/.test(pathname)) return route.fulfill({ contentType: "image/png", body: picture });
    return route.fulfill({ status: 204, body: "" });
  });
  await page.goto("https://cards.example/page");
  return page;
}

test("every page is valid HTML to html-validate", async () => {
  const judge = new HtmlValidate(new FileSystemConfigLoader({}));
  for (const name of pages) {
    const report = await judge.validateString(html[name], join(process.cwd(), "tests", `${name}.html`));
    assert.deepEqual(report.results.flatMap((result) => result.messages.map((m) => `${name}:${m.line} ${m.ruleId} ${m.message}`)), []);
  }
});

test("html-validate sees what is wrong, so its silence means something", async () => {
  const judge = new HtmlValidate(new FileSystemConfigLoader({}));
  const report = await judge.validateString("<p><img src=x></div>", join(process.cwd(), "tests", "wrong.html"));
  assert.equal(report.valid, false);
});

for (const colorScheme of ["light", "dark"])
  for (const width of [390, 1280])
    test(`axe finds nothing in ${colorScheme} at ${width} px`, async () => {
      for (const name of width > 400 ? ["card", "card-empty", "receipt", "privacy"] : pages) {
        const page = await open(name, { viewport: { width, height: 844 }, colorScheme });
        assert.deepEqual(await violations(page), [], name);
        await page.context().close();
      }
    });

test("nothing scrolls sideways at 320 px nor with text twice as large", async () => {
  for (const name of pages) {
    const page = await open(name);
    for (const [width, size] of [[320, "100%"], [390, "200%"], [1280, "200%"]]) {
      await page.setViewportSize({ width, height: 700 });
      const over = await page.evaluate((size) => {
        document.documentElement.style.fontSize = size;
        return document.documentElement.scrollWidth - innerWidth;
      }, size);
      assert.ok(over <= 0, `${name} at ${width} px, ${size}: ${over} px too wide`);
    }
    await page.context().close();
  }
});

test("a typical card fits the first flight of packets, and none is over 30 KB", () => {
  assert.ok(Buffer.byteLength(html.card) <= FIRST_FLIGHT, `${Buffer.byteLength(html.card)} bytes`);
  for (const name of pages) assert.ok(Buffer.byteLength(html[name]) <= PAGE_MAX, name);
});

test("a card needs nothing but itself to be read", async () => {
  const page = await open("card", { javaScriptEnabled: false });
  assert.deepEqual(page.asked.filter((path) => !/icon|touch/.test(path)), []);
});

test("words that look like markup stay words", async () => {
  const page = await open("card-hostile");
  await page.waitForTimeout(200);
  assert.equal(page.dialogs, 0);
  assert.equal(await page.locator("h1").textContent(), "</title><script>alert(3)</script>");
  const data = JSON.parse(await page.locator('script[type="application/ld+json"]').textContent());
  assert.equal(data.mainEntity.name, "</title><script>alert(3)</script>");
});

test("what has the focus is never under the bar", async () => {
  for (const height of [844, 500]) {
    const page = await open("card", { viewport: { width: 390, height } });
    for (let i = 0; i < 14; i++) {
      await page.keyboard.press("Tab");
      const hidden = await page.evaluate(() => {
        const it = document.activeElement, bar = document.querySelector(".bar");
        if (it === document.body || bar.contains(it) || getComputedStyle(bar).position !== "fixed") return false;
        const { bottom, height } = it.getBoundingClientRect(); // browsers show the line one types in of a tall field
        return bottom - bar.getBoundingClientRect().top > height / 3;
      });
      assert.equal(hidden, false, `at the ${i + 1}. Tab, ${height} px high`);
    }
    await page.context().close();
  }
});

test("everything to tap is 44 px high or more, but links within a sentence", async () => {
  const page = await open("card");
  const small = await page.evaluate(() => [...document.querySelectorAll(".btn, .ways a, input:not([type=hidden], .trap *), textarea, summary")]
    .map((it) => it.closest("label.tick") ?? it)
    .filter((it) => it.checkVisibility() && it.getBoundingClientRect().height < 44).map((it) => it.outerHTML));
  assert.deepEqual(small, []);
});

test("the field that is wrong has the focus and says why", async () => {
  const page = await open("card-wrong");
  assert.equal(await page.evaluate(() => document.activeElement.name), "reach");
  assert.match(await page.evaluate(() => document.getElementById(document.activeElement.getAttribute("aria-describedby")).textContent),
               /looks incomplete/);
  assert.equal(await page.locator("#message").inputValue(), "Two roofs");
});

test("a card keeps the direction and the language of its words", async () => {
  const page = await open("card-ar");
  assert.equal(await page.locator(".meishi").evaluate((it) => getComputedStyle(it).direction), "rtl");
  assert.equal(await page.locator("#leave").evaluate((it) => getComputedStyle(it).direction), "ltr");
  assert.equal(await (await open("card-ja")).locator(".meishi").getAttribute("lang"), "ja");
});

test("preview crawlers find their tags first", () => {
  const head = html.card.slice(html.card.indexOf("<head>"), html.card.indexOf("<title>"));
  assert.match(head, /^<head>\s*<meta charset="utf-8">\s*<meta property="og:title" content="Mika Sørensen-Tanaka, Tanaka &amp; Daughters, Roofing">/);
  for (const tag of ["og:type", "og:url", "og:image", "og:image:width", "og:image:alt", "og:description", "twitter:card", "twitter:image"])
    assert.ok(head.includes(`"${tag}"`), tag);
});

test("a card that is always dark or light is so whatever the visitor's setting, in the same colours", async () => {
  const ground = async (name, colorScheme) => {
    const page = await open(name, { colorScheme });
    const colours = await page.evaluate(() => ["--paper", "--sheet", "--ink", "--ink-2", "--line", "--edge", "--bad", "--seal-ink"]
      .map((token) => getComputedStyle(document.documentElement).getPropertyValue(token).trim()));
    await page.context().close();
    return colours.join(" ");
  };
  const light = await ground("card", "light"), dark = await ground("card", "dark");
  assert.notEqual(light, dark);
  for (const colorScheme of ["light", "dark"]) {
    assert.equal(await ground("card-dark", colorScheme), dark);
    assert.equal(await ground("card-light", colorScheme), light);
  }
});

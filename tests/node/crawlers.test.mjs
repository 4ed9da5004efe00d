// The compiled crawler table against the data it was made from, judged by JavaScript's own regular expressions: for every
// known instance, and for each of them cut and moved, both must name the same kinds.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { crawlers, table } from "../../assets/crawlers.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const matcher = join(root, process.env.BUILD ?? "build", "tests", "cards", "test_crawlers");
const [BOT, PREVIEW, SCANNER, TOOL] = [1, 2, 4, 8];

const rules = crawlers.map(({ pattern, tags }) => ({
  expression: new RegExp(pattern),
  flags:
    BOT |
    (tags.includes("social-preview") ? PREVIEW : 0) |
    (tags.includes("scanner") ? SCANNER : 0) |
    (tags.includes("http-library") ? TOOL : 0),
}));

const expected = (agent) => rules.reduce((flags, rule) => (rule.expression.test(agent) ? flags | rule.flags : flags), 0);

const ours = (agents) =>
  execFileSync(matcher, ["--flags"], { input: agents.join("\n") + "\n", maxBuffer: 1 << 24 }).toString().trim().split("\n").map(Number);

const instances = [...new Set(crawlers.flatMap((crawler) => crawler.instances))].filter((agent) => agent && !/[\r\n]/.test(agent));

function assertSame(agents) {
  const flags = ours(agents);
  assert.equal(flags.length, agents.length);
  agents.forEach((agent, i) => assert.equal(flags[i], expected(agent), agent));
  return flags;
}

test("table__equals_the_installed_package", () => {
  assert.equal(readFileSync(join(root, "assets", "crawlers.tsv"), "utf8"), table());
});

test("instance__is_known_as_what_its_tags_say", () => {
  assert.ok(instances.length > 2000);
  assert.ok(assertSame(instances).every((flags) => flags & BOT));
});

test("instance__moved_or_cut_is_judged_as_a_regular_expression_would", () => {
  const sample = instances.filter((_, i) => i % 3 === 0);
  const flags = assertSame(sample.flatMap((agent) => ["x" + agent, agent.slice(1), agent.slice(0, -1), agent.toLowerCase()]));
  assert.ok(flags.includes(0), "some cut agents are unknown, or this test could not fail");
});

test("pattern__itself_is_judged_as_a_regular_expression_would", () => {
  assertSame(crawlers.map(({ pattern }) => pattern.replaceAll("\\", "").replaceAll(/[\^$]/g, "")));
});

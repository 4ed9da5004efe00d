// Makes assets/crawlers.tsv from the installed crawler-user-agents package: one line a pattern, its tags first.
// `make crawlers` writes it; the table is committed so that a build needs no npm.
import { readFileSync } from "node:fs";

const folder = new URL("../tests/node_modules/crawler-user-agents/", import.meta.url);
const read = (name) => JSON.parse(readFileSync(new URL(name, folder), "utf8"));

export const crawlers = read("crawler-user-agents.json");

export function table() {
  const { version } = read("package.json");
  const lines = crawlers.map(({ tags, pattern }) => `${[...tags].sort().join(",")}\t${pattern.replaceAll("\\/", "/")}`);
  return [
    `# crawler-user-agents ${version}, https://github.com/monperrus/crawler-user-agents`,
    "# Copyright (c) 2017 Martin Monperrus and contributors, MIT licence. Made by `make crawlers`; not edited by hand.",
    ...[...new Set(lines)].sort(),
    "",
  ].join("\n");
}

if (process.argv[1] === new URL(import.meta.url).pathname) process.stdout.write(table());

// Random vCards of ours, read by three parsers that are not ours; what they find must be what was meant, and nothing more.
// The writer is the unit test's binary: MEISHI_VCARD_WRITER, or the one `make test` builds.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import ICAL from 'ical.js';
import vCard from 'vcf';
import { parseVCards } from 'vcard4-ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const writer = process.env.MEISHI_VCARD_WRITER ?? join(root, process.env.BUILD ?? 'build', 'tests', 'cards', 'test_vcard');
const count = Number(process.env.MEISHI_VCARDS ?? 1000);
const folder = mkdtempSync(join(tmpdir(), 'meishi-vcard-'));
after(() => rmSync(folder, { recursive: true }));

assert.ok(existsSync(writer), `build ${writer} first: make test does`);
execFileSync(writer, ['--write', folder, String(count)]);
const cards = Array.from({ length: count }, (_, n) => ({
  meant: JSON.parse(readFileSync(join(folder, `${n}.json`), 'utf8')),
  v3: readFileSync(join(folder, `${n}-v3.vcf`), 'utf8'),
  v4: readFileSync(join(folder, `${n}-v4.vcf`), 'utf8'),
}));

const own = 'https://m.example/c/7K3QX9V2M4T8B6RC';
const isSocial = link => link.value.startsWith('https://x.com/');
const known = /^(work|home)$/i;
const phoneKnown = /^(work|mobile|home|fax)$/i;
const custom = (points, standard) => points.filter(p => p.label && !standard.test(p.label)).map(p => p.label);

// The labels that no standard type says, in the order of their lines.
function labelsOf(meant) {
  return [
    ...custom(meant.phones, phoneKnown),
    ...custom(meant.emails, known),
    ...custom(meant.links.filter(l => !isSocial(l)), known),
    ...custom(meant.addresses, known),
  ];
}

// How many properties of each name the card must have, no more and no fewer.
function expected(meant, version) {
  const want = {
    version: 1, prodid: 1, uid: 1, rev: 1, fn: 1, n: 1, source: 1, photo: 1,
    org: meant.organization ? 1 : 0,
    title: meant.title ? 1 : 0,
    note: meant.note ? 1 : 0,
    tel: meant.phones.length,
    email: meant.emails.length,
    url: 1 + meant.links.filter(l => !isSocial(l)).length,
    adr: meant.addresses.length,
    [version === 3 ? 'x-socialprofile' : 'socialprofile']: meant.links.filter(isSocial).length,
  };
  if (version === 4) {
    want.kind = 1;
    want.pronouns = meant.pronouns ? 1 : 0;
  }
  return Object.fromEntries(Object.entries(want).filter(([, n]) => n > 0));
}

const address = a => a.parts.map(part => part ?? '');
const sorted = object => Object.fromEntries(Object.entries(object).sort());
// ical.js leaves the escape of a semicolon standing in values of one part, which RFC 2426 demands and RFC 6350 allows.
const plain = texts => texts.map(text => text.replace(/\\+;/g, ';'));
// It does not know the type of X- properties and of PRONOUNS, and hands their text over as written.
const unescaped = text => text.replace(/\\(.)/g, '$1');
const same = (got, want, n, what) => assert.deepEqual(got, want, `card ${n}: ${what}`);

for (const version of [3, 4]) {
  test(`ical.js reads every ${version}.0 card as it was meant`, () => {
    cards.forEach((card, n) => {
      const component = new ICAL.Component(ICAL.parse(card[`v${version}`]));
      const all = component.getAllProperties();
      const tally = {};
      for (const property of all)
        if (property.name !== 'x-ablabel') tally[property.name] = (tally[property.name] ?? 0) + 1;
      same(sorted(tally), sorted(expected(card.meant, version)), n, 'properties');
      const { meant } = card;
      const values = name => component.getAllProperties(name).map(p => p.getFirstValue());
      same(plain(values('fn')), plain([meant.name]), n, 'FN');
      // It takes the last of "\\\\;" for an escape of the separator; vcard4-ts, below, does not.
      if (!meant.n.some(part => part.endsWith('\\'))) same(values('n'), [meant.n], n, 'N');
      same(plain(values('title')), plain(meant.title ? [meant.title] : []), n, 'TITLE');
      same(plain(values('note')), plain(meant.note ? [meant.note] : []), n, 'NOTE');
      if (meant.organization)
        same(values('org').flat(), [meant.organization, ...(meant.department ? [meant.department] : [])], n, 'ORG');
      same(values('tel'), meant.phones.map(p => p.value), n, 'TEL');
      same(values('email'), meant.emails.map(p => p.value), n, 'EMAIL');
      same(values('url'), [...meant.links.filter(l => !isSocial(l)).map(l => l.value), own], n, 'URL');
      same(values('adr'), meant.addresses.map(address), n, 'ADR');
      if (version === 4) same(values('pronouns').map(unescaped), meant.pronouns ? [meant.pronouns] : [], n, 'PRONOUNS');
      const groups = all.filter(p => p.name !== 'x-ablabel' && p.getParameter('group')).map(p => p.getParameter('group'));
      const labels = all.filter(p => p.name === 'x-ablabel');
      same(labels.map(p => p.getParameter('group')), groups, n, 'every label has its line');
      same(labels.map(p => unescaped(p.getFirstValue())), labelsOf(meant), n, 'labels');
    });
  });

  test(`vcf reads every ${version}.0 card whole`, () => {
    cards.forEach((card, n) => {
      // Not vCard.parse, which would split at the words BEGIN:VCARD inside a note.
      const { data } = new vCard().parse(card[`v${version}`]);
      const listed = key => (data[key] === undefined ? [] : [data[key]].flat()).map(p => p.valueOf());
      const tally = {};
      for (const [key, value] of Object.entries(data)) {
        const name = key.replace(/[A-Z]/g, c => `-${c.toLowerCase()}`);
        if (name !== 'x-ab-label') tally[name] = [value].flat().length;
      }
      same(sorted(tally), sorted(expected(card.meant, version)), n, 'properties');
      same(listed('tel'), card.meant.phones.map(p => p.value), n, 'TEL');
      same(listed('email'), card.meant.emails.map(p => p.value), n, 'EMAIL');
    });
  });
}

test('vcard4-ts has nothing to object to in any 4.0 card', () => {
  cards.forEach((card, n) => {
    const parsed = parseVCards(card.v4);
    same(parsed.nags ?? [], [], n, 'nags about the file');
    same(parsed.vCards.length, 1, n, 'one card');
    const [it] = parsed.vCards;
    // A URI is not escaped, as in RFC 6350's own example of a data: photo; the parser remarks on its commas all the same.
    const nags = (it.nags ?? []).filter(
      nag => !(nag.key === 'VALUE_UNESCAPED_COMMA' && ['URL', 'PHOTO'].includes(nag.attributes.property)));
    same(nags, [], n, 'nags about the card');
    const { meant } = card;
    same(it.FN.map(p => p.value), [meant.name], n, 'FN');
    same(Object.values(it.N.value).map(v => (v ?? []).join(',')), meant.n, n, 'N');
    same((it.NOTE ?? []).map(p => p.value), meant.note ? [meant.note] : [], n, 'NOTE');
    same((it.TITLE ?? []).map(p => p.value), meant.title ? [meant.title] : [], n, 'TITLE');
    same((it.TEL ?? []).map(p => p.value), meant.phones.map(p => p.value), n, 'TEL');
    same((it.EMAIL ?? []).map(p => p.value), meant.emails.map(p => p.value), n, 'EMAIL');
  });
});

test('the parsers do object when a card is broken', () => {
  const broken = cards[0].v4.replace(/\r\nFN:.*?\r\n(?! )/s, '\r\n');
  const parsed = parseVCards(broken);
  const nags = [...(parsed.nags ?? []), ...(parsed.vCards ?? []).flatMap(c => c.nags ?? [])];
  assert.notEqual(nags.length, 0);
  const injected = cards[0].v4.replace(/END:VCARD\r\n$/, 'TEL:1\r\nEND:VCARD\r\n');
  const component = new ICAL.Component(ICAL.parse(injected));
  assert.equal(component.getAllProperties('tel').length, cards[0].meant.phones.length + 1);
});

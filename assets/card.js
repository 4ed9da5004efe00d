/* What the card page, the receipt and the link page do when scripts run. Everything works without it; this tells the server
 * that a person sees the page, shares by the phone's own sheet, and solves the small puzzle that a crowd behind one network
 * is asked. It keeps nothing but this tab's first stamp of the card. */

const { card, stamp } = document.querySelector("main").dataset;

function post(path, fields, options) {
  return fetch(path, { method: "POST", body: new URLSearchParams(fields), ...options });
}

/* --- Somebody is looking -------------------------------------------------------------------------------------------- */

function isVisible() {
  return document.visibilityState === "visible" && !document.prerendering;
}

function onceVisible(act) {
  if (isVisible()) return act();
  const events = ["visibilitychange", "prerenderingchange"];
  const look = () => {
    if (!isVisible()) return;
    for (const event of events) document.removeEventListener(event, look);
    act();
  };
  for (const event of events) document.addEventListener(event, look);
}

/* The first stamp of this card in this tab, so that a reload is known to be the same visitor; null the first time. */
function earlierStamp() {
  try {
    const key = "meishi " + card;
    const earlier = sessionStorage.getItem(key);
    if (!earlier) sessionStorage.setItem(key, stamp);
    return earlier === stamp ? null : earlier;
  } catch {
    return null; // storage is switched off
  }
}

function tell(act, again) {
  post(card + "/seen", again ? { stamp, act, again } : { stamp, act }, { keepalive: true }).catch(() => {});
}

if (stamp) {
  onceVisible(() => tell("seen", earlierStamp()));
  let tapped = false;
  document.querySelector(".ways")?.addEventListener("click", (event) => {
    if (tapped || !event.target.closest("a")) return;
    tapped = true;
    tell("tap");
  });
}

/* --- The two buttons under the thumb ---------------------------------------------------------------------------------- */

/* Apps' own browsers often drop a contact without a word. */
const IN_APP = /FBAN|FBAV|FB_IAB|Instagram|LinkedInApp|Snapchat|\bLine\/|MicroMessenger|musical_ly|TikTok|BytedanceWebview|Twitter/;
if (card && IN_APP.test(navigator.userAgent)) {
  const hint = document.createElement("p");
  hint.className = "hint";
  hint.setAttribute("role", "status");
  document.querySelector(".bar").prepend(hint);
  document.querySelector(".bar a").addEventListener("click", () => setTimeout(() => {
    hint.textContent = "Nothing saved? This app may not pass contacts on. Choose “Open in browser” from its menu, then save again.";
  }, 1200));
}

document.querySelector('a[href="#leave"]')?.addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("leave").scrollIntoView();
  document.getElementById("name").focus({ preventScroll: true }); // within the tap, or no keyboard opens
});

/* At a desk the card is wanted on the phone that lies beside. The same link, so it is the same share. */
if (card && matchMedia("(min-width: 56rem)").matches) {
  const sheet = document.createElement("p");
  sheet.className = "sheet qr";
  const code = Object.assign(new Image(104, 104), { src: card + ".svg", alt: "QR code of this page" });
  sheet.append(code, "Rather on your phone? Scan this.");
  document.querySelector(".h-card").append(sheet);
}

/* --- Passing it on ---------------------------------------------------------------------------------------------------- */

async function passOn(form, minted) {
  const fields = new FormData(form);
  const words = JSON.stringify([...fields]);
  if (minted.words !== words) {
    fields.set("channel", "native");
    const answer = await post(form.action, fields, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.statusText);
    Object.assign(minted, await answer.json(), { words });
  }
  try {
    await navigator.share({ title: document.title, text: fields.get("vouch") || undefined, url: minted.url });
  } catch (error) {
    if (error.name !== "AbortError") location.assign(minted.page);
  }
}

if (navigator.share)
  for (const form of document.querySelectorAll('form[action$="/pass-on"]')) {
    const minted = {}; // a sheet that was closed and opened again sends the same link
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      passOn(form, minted).catch(() => form.submit());
    });
  }

for (const button of document.querySelectorAll("[data-share]")) {
  button.hidden = !navigator.share;
  button.addEventListener("click", () =>
    navigator.share({ text: button.dataset.text, url: button.dataset.share }).catch(() => {}));
}
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  });
}

/* --- Proof of work ---------------------------------------------------------------------------------------------------- */

/* A number that, written after the challenge, gives a SHA-256 that begins with so many zero bits (cards/proof_of_work.h). In
 * slices, so that typing stays smooth. */
async function solve(challenge, bits) {
  const text = new TextEncoder();
  const slice = 512;
  for (let first = 0; ; first += slice) {
    const digests = await Promise.all(
      Array.from({ length: slice }, (_, i) => crypto.subtle.digest("SHA-256", text.encode(challenge + (first + i)))));
    const found = digests.findIndex((digest) => {
      const head = new DataView(digest).getUint32(0);
      return Math.clz32(head) >= bits;
    });
    if (found >= 0) return String(first + found);
  }
}

const challenge = document.querySelector("input[name=challenge]");
if (challenge && globalThis.crypto?.subtle) {
  const { form } = challenge;
  const word = document.getElementById("work");
  word.textContent = "Many people are here at once. One moment, while this phone shows that a person is at it …";
  const answer = solve(challenge.value, Number(challenge.dataset.bits)).then((number) => {
    form.elements.answer.value = number;
    word.textContent = "Ready to send.";
  });
  form.addEventListener("submit", (event) => {
    if (form.elements.answer.value) return;
    event.preventDefault();
    answer.catch(() => {}).then(() => form.submit());
  });
}

/* What the member's pages do when scripts run. Everything but sending a portrait works without it. */

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  });
}

/* --- Sending the card: mint a share, then open what sends it ------------------------------------------------------------- */

async function mint(form, channel) {
  const fields = new URLSearchParams(new FormData(form));
  fields.set("channel", channel);
  const answer = await fetch(form.action, { method: "POST", body: fields, headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.json();
}

async function send(form, channel) {
  const said = document.getElementById("sent");
  const share = await mint(form, channel);
  if (channel === "native")
    return navigator.share({ title: share.title, text: share.text, url: share.url }).catch((error) => {
      if (error.name !== "AbortError") location.assign(share.page);
    });
  if (channel !== "link") return location.assign(share.href);
  try {
    await navigator.clipboard.writeText(share.url);
    said.textContent = "Copied. This link is for you to send, and counts by itself.";
  } catch {
    location.assign(share.page); // the browser wants another tap before it copies
  }
}

for (const form of document.querySelectorAll("form[data-send]")) {
  form.querySelector("[value=native]").hidden = !navigator.share;
  form.addEventListener("submit", (event) => {
    if (!event.submitter || form.dataset.plain) return;
    event.preventDefault();
    send(form, event.submitter.value).catch(() => {
      form.dataset.plain = "1";
      event.submitter.click(); // what older browsers have instead of requestSubmit
    });
  });
}

/* --- A message to a webhook: followed while it is on its way ------------------------------------------------------------- */

async function follow(said) {
  for (let i = 0; i < 30; i++) {
    const answer = await fetch(said.dataset.delivery, { headers: { Accept: "application/json" } });
    if (!answer.ok || answer.redirected) return;
    const { tried, arrived, words } = await answer.json();
    if (tried) {
      said.textContent = words;
      said.closest(".notice")?.classList.toggle("good", arrived);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 250 + i * 50));
  }
}
for (const said of document.querySelectorAll("[data-delivery]")) follow(said).catch(() => {}); // offline: a reload tells
for (const code of document.querySelectorAll("[data-json]"))
  try {
    code.textContent = JSON.stringify(JSON.parse(code.textContent), null, 2);
  } catch {
    // as it was sent, then
  }

/* --- The code held up ---------------------------------------------------------------------------------------------------- */

async function keepAwake() {
  if (document.visibilityState === "visible") await navigator.wakeLock.request("screen").catch(() => {});
}

if (document.querySelector("[data-awake]") && navigator.wakeLock) {
  keepAwake();
  document.addEventListener("visibilitychange", keepAwake); // a lock is lost when the page is hidden
}
const count = document.querySelector("[data-count]");
if (count)
  setInterval(async () => {
    if (document.visibilityState !== "visible") return;
    const answer = await fetch(location.pathname, { headers: { Accept: "application/json" } }).catch(() => null);
    if (answer?.ok && !answer.redirected) count.textContent = (await answer.json()).count; // offline, the last one stands
  }, 5000);
for (const button of document.querySelectorAll("[data-fullscreen]")) {
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener("click", () => document.documentElement.requestFullscreen());
}
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

/* --- The portrait: sent as it is, since the server reads no multipart ------------------------------------------------------ */

async function sendPortrait(input) {
  const said = document.getElementById("portrait-said");
  const [file] = input.files;
  if (!file) return;
  if (file.size > 8 * 1024 * 1024) {
    said.textContent = "This picture is larger than 8 MB. Please choose a smaller one.";
    return;
  }
  said.textContent = "One moment …";
  const answer = await fetch(input.dataset.portrait, {
    method: "POST", body: file, headers: { "Content-Type": file.type || "application/octet-stream", "X-Form-Token": input.dataset.token },
  });
  if (answer.status === 422) {
    said.textContent = await answer.text();
    return;
  }
  if (!answer.ok) throw new Error(answer.statusText);
  const { href, revision } = await answer.json();
  const face = Object.assign(new Image(88, 88), { id: "face", className: "face", src: href, alt: "Your portrait" });
  document.getElementById("face").replaceWith(face);
  document.getElementById("revision").value = revision; // what is typed in the form beside it can still be saved
  said.textContent = "This is your portrait now.";
}

let sending = null; // what is under way, if anything
for (const input of document.querySelectorAll("[data-portrait]"))
  input.addEventListener("change", () => {
    const mine = sendPortrait(input).catch(() => {
      document.getElementById("portrait-said").textContent = "The picture did not arrive. Please try again.";
    }).finally(() => { if (sending === mine) sending = null; });
    sending = mine;
  });
/* Leaving the page would drop a picture that is still on its way. */
document.getElementById("card-form")?.addEventListener("submit", (event) => {
  if (!sending) return;
  event.preventDefault();
  sending.then(() => event.target.requestSubmit(event.submitter));
});

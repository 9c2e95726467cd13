// The portal's behaviours as custom elements. Every page works without them; they only smooth it.

/** Copies the text of its code element. */
class Copy extends HTMLElement {
  connectedCallback() {
    const button = this.querySelector("button");
    if (!button || !navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(this.querySelector("[data-value]").textContent);
      this.dataset.done = "";
      announce("Copied");
      setTimeout(() => delete this.dataset.done, 2000);
    });
  }
}

/** Blurs a secret until it is asked for, so that nobody reads it over a shoulder. */
class Reveal extends HTMLElement {
  connectedCallback() {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn st-button st-button-secondary";
    const show = (visible) => {
      this.toggleAttribute("data-hidden", !visible);
      button.textContent = visible ? "Hide" : "Show";
      button.setAttribute("aria-pressed", String(visible));
    };
    button.addEventListener("click", () => show(this.hasAttribute("data-hidden")));
    this.append(button);
    show(true);
  }
}

/** Counts up from a moment, in the form 1:02:03. */
class Age extends HTMLElement {
  static observedAttributes = ["data-since"];
  connectedCallback() {
    this.timer = setInterval(() => this.show(), 1000);
  }
  disconnectedCallback() {
    clearInterval(this.timer);
  }
  show() {
    const seconds = Math.max(0, Math.floor(Date.now() / 1000 - Number(this.dataset.since)));
    const two = (value) => String(value).padStart(2, "0");
    const minutes = Math.floor(seconds / 60);
    const text = minutes < 60
      ? `${minutes}:${two(seconds % 60)}`
      : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
    if (this.textContent !== text) this.textContent = text;
  }
}

/** Makes the menu small or wide at once, and tells the server for the next page. */
class Menu extends HTMLElement {
  connectedCallback() {
    const form = this.closest("form");
    const button = this.querySelector("button");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const body = new URLSearchParams(new FormData(form, button));
      const small = button.value === "small";
      document.documentElement.toggleAttribute("data-menu", small);
      if (small) document.documentElement.dataset.menu = "small";
      button.setAttribute("aria-pressed", String(small));
      button.value = small ? "wide" : "small";
      // Kept alive: whoever goes on to another page at once has chosen all the same.
      fetch(form.action, { method: "POST", body, redirect: "manual", keepalive: true });
    });
  }
}

customElements.define("st-copy", Copy);
customElements.define("st-reveal", Reveal);
customElements.define("st-age", Age);
customElements.define("st-menu", Menu);

/** Says something to people who do not see it. */
function announce(text) {
  let region = document.getElementById("announcer");
  if (!region) {
    region = document.createElement("p");
    region.id = "announcer";
    region.className = "st-sr";
    region.setAttribute("role", "status");
    document.body.append(region);
  }
  region.textContent = text;
}

// The stream of live figures: say so when it has been away for five seconds.
const RECONNECTING_AFTER_MS = 5000;
const source = document.getElementById("live-source");
const notice = document.getElementById("reconnecting");
if (source && notice) {
  let timer = null;
  const lost = () => {
    timer ??= setTimeout(() => { notice.hidden = document.hidden; }, RECONNECTING_AFTER_MS);
  };
  const back = () => {
    clearTimeout(timer);
    timer = null;
    notice.hidden = true;
  };
  source.addEventListener("htmx:sse:error", lost);
  source.addEventListener("htmx:sse:before:connection", lost);
  source.addEventListener("htmx:sse:after:connection", back);
  source.addEventListener("htmx:sse:after:message", back);
}

// The drawer of narrow screens closes with Escape and with a tap beside it.
for (const drawer of document.querySelectorAll("details.st-drawer")) {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && drawer.open) {
      drawer.open = false;
      drawer.querySelector("summary").focus();
    }
  });
  document.addEventListener("click", (event) => {
    if (!drawer.contains(event.target)) drawer.open = false;
  });
}

// After a refused form the first wrong field, or the summary, has the focus.
(document.querySelector('[aria-invalid="true"]') ?? document.getElementById("form-errors"))?.focus();

// A form that was changed asks before it is left; a second click does not send it twice.
for (const form of document.querySelectorAll("form#user-form")) {
  let dirty = false;
  form.addEventListener("input", () => { dirty = true; });
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "";
    dirty = false;
  });
  form.addEventListener("keydown", (event) => {
    if (event.ctrlKey && event.key === "Enter") form.requestSubmit(document.getElementById("save"));
  });
  addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
  addEventListener("pageshow", () => delete form.dataset.sent);
}

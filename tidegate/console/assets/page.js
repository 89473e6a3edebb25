(() => {
  "use strict";

  // Parts of the page are swapped for what the server made anew; what somebody types stays.
  const EVERY_MILLISECONDS = 2000;
  const SLOWEST_MILLISECONDS = 30000;
  const ANSWER_WITHIN_MILLISECONDS = 20000;

  const pulse = document.getElementById("pulse");
  const source = document.body.dataset.live;
  let mark = null;
  let pause = EVERY_MILLISECONDS;
  let timer = null;
  let isAsking = false;

  const clock = () => new Date().toISOString().slice(11, 19) + " UTC";
  const parts = (root) => [...root.querySelectorAll("[data-part]")];
  const made = new Map(parts(document).map((each) => [each.dataset.part, each.outerHTML]));

  function say(text, isStale) {
    pulse.textContent = text;
    pulse.classList.toggle("stale", isStale);
    // Read out where it goes wrong, and not every two seconds.
    pulse.setAttribute("aria-live", isStale ? "polite" : "off");
  }

  // Half a sentence, or a box just ticked, is worth more than fresh figures around it.
  function isInUse(part) {
    const fields = [...part.querySelectorAll("textarea, input:not([type=hidden])")];
    const isChanged = (each) => each.value !== each.defaultValue || each.checked !== each.defaultChecked;
    return fields.some(isChanged) || part.contains(document.activeElement?.closest("form"));
  }

  function swap(old, fresh) {
    const open = [...old.querySelectorAll("details[open]")].map((each) => each.id);
    const scrolled = [...old.querySelectorAll("figure")].map((each) => each.scrollLeft);
    const focus = old.contains(document.activeElement) ? document.activeElement : null;
    const place = focus ? [...old.querySelectorAll("a, summary, figure")].indexOf(focus) : -1;
    const owner = focus?.id || focus?.parentElement?.id;
    old.replaceWith(fresh);
    for (const id of open) {
      fresh.querySelector(`details[id="${CSS.escape(id)}"]`)?.setAttribute("open", "");
    }
    fresh.querySelectorAll("figure").forEach((each, index) => {
      each.scrollLeft = scrolled[index] ?? 0;
    });
    if (focus) {
      const same = owner && fresh.querySelector(`[id="${CSS.escape(owner)}"]`);
      const found = same && !focus.id ? same.querySelector(focus.tagName) : same;
      (found || fresh.querySelectorAll("a, summary, figure")[place])?.focus({ preventScroll: true });
    }
    if (fresh.dataset.part === "head" || fresh.dataset.part === "questions") {
      fresh.classList.add("fresh");
    }
  }

  function show(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const fresh = parts(page);
    let isWhole = true;
    let before = null;
    for (const part of fresh) {
      const name = part.dataset.part;
      const text = part.outerHTML;
      const old = document.querySelector(`[data-part="${name}"]`);
      if (old && made.get(name) !== text) {
        if (isInUse(old)) {
          isWhole = false;
        } else {
          swap(old, part);
          made.set(name, text);
        }
      } else if (!old && before) {
        before.after(part);
        made.set(name, text);
      }
      before = document.querySelector(`[data-part="${name}"]`);
    }
    const names = new Set(fresh.map((each) => each.dataset.part));
    for (const old of parts(document)) {
      if (!names.has(old.dataset.part)) {
        old.remove();
        made.delete(old.dataset.part);
      }
    }
    return isWhole;
  }

  async function refresh() {
    if (isAsking || document.hidden) {
      return;
    }
    isAsking = true;
    try {
      const answer = await fetch(source + location.search, {
        cache: "no-store",
        headers: mark ? { "if-none-match": mark } : {},
        signal: AbortSignal.timeout(ANSWER_WITHIN_MILLISECONDS),
      });
      if (answer.status === 200) {
        // What could not be swapped yet is asked for again.
        mark = show(await answer.text()) ? answer.headers.get("etag") : null;
      } else if (answer.status !== 304) {
        throw new Error((await answer.text()).slice(0, 300));
      }
      pause = EVERY_MILLISECONDS;
      say(`as of ${clock()}`, false);
    } catch (error) {
      pause = Math.min(2 * pause, SLOWEST_MILLISECONDS);
      const why = error instanceof TypeError ? "the console does not answer: is it still running?" : error.message;
      say(`! not up to date since ${clock()}: ${why}`, true);
    }
    isAsking = false;
    later();
  }

  function later() {
    clearTimeout(timer);
    if (!document.hidden) {
      timer = setTimeout(refresh, pause);
    }
  }

  // A command is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    setTimeout(() => form.querySelectorAll("button").forEach((each) => (each.disabled = true)));
  });

  // Shown again from the browser's memory, forms can be sent again.
  addEventListener("pageshow", (event) => {
    if (event.persisted) {
      location.reload();
    }
  });

  if (source) {
    document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
    say(`as of ${clock()}`, false);
    later();
  }
})();

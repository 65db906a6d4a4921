// Keeps the access history up to date while it is looked at. The stream says
// only that something is new; the page then loads itself again.
(() => {
  "use strict";
  const live = document.getElementById("history_live");
  if (!live || !window.EventSource || !window.fetch) return;
  const parts = ["history_charts", "history_entries"];
  let since = live.dataset.pulse;
  let source = null;
  let busy = false;
  let again = false;

  const stop = () => {
    if (source) source.close();
    source = null;
  };

  const swap = (fresh) => {
    const focused = document.activeElement;
    const href = focused && focused.getAttribute && focused.getAttribute("href");
    for (const id of parts) {
      const now = document.getElementById(id);
      const next = fresh.getElementById(id);
      if (!now || !next) continue;
      const open = [...now.querySelectorAll("details")].map((d) => d.open);
      const had = now.contains(focused);
      next.querySelectorAll("details").forEach((d, i) => { d.open = Boolean(open[i]); });
      now.replaceWith(document.adoptNode(next));
      if (had && href) {
        const link = [...document.querySelectorAll("#" + id + " a")].find((a) => a.getAttribute("href") === href);
        if (link) link.focus({ preventScroll: true });
      }
    }
  };

  const load = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try {
      do {
        again = false;
        const answer = await fetch(location.href, { credentials: "same-origin", cache: "no-store" });
        if (!answer.ok || answer.redirected) { stop(); return; }
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        const said = fresh.getElementById("history_live");
        if (!said) { stop(); return; }
        swap(fresh);
        live.querySelector("span").textContent = said.dataset.updated;
      } while (again);
    } catch (e) {
      // The next message tries again.
    } finally {
      busy = false;
    }
  };

  const start = () => {
    if (source) return;
    source = new EventSource("/portal/history/stream?since=" + encodeURIComponent(since));
    source.addEventListener("changed", (m) => { since = m.lastEventId; load(); });
    source.addEventListener("over", () => { stop(); location.reload(); });
  };

  document.addEventListener("visibilitychange", () => { document.hidden ? stop() : start(); });
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", () => { if (!document.hidden) start(); });
  live.querySelector("span").textContent = live.dataset.words;
  live.hidden = false;
  start();
})();

// Says that somebody is there still: a key or a press is enough. Without it the
// style sheet shows the same warning, and its button does the same.
(() => {
  "use strict";
  const box = document.getElementById("idle");
  const over = document.getElementById("idle_over");
  if (!box || !over || !window.fetch) return;
  const soon = 780e3, end = 900e3, often = 60e3;
  let since = Date.now();
  let used = false;
  let asking = false;

  const stay = async () => {
    if (asking) return;
    asking = true;
    used = false;
    try {
      const answer = await fetch(box.dataset.stay, { method: "POST", credentials: "same-origin", body: new URLSearchParams({ mark: box.dataset.mark, by: "script" }) });
      if (answer.status === 204) {
        since = Date.now();
        for (const e of [box, over]) { // the style sheet counts anew
          e.classList.remove("idle");
          e.hidden = true;
          void e.offsetWidth;
          e.classList.add("idle");
          e.hidden = false;
        }
      }
    } catch (e) {
      // The next key tries again.
    } finally {
      asking = false;
    }
  };

  const use = () => {
    used = true;
    if (Date.now() - since >= soon) stay();
  };
  window.addEventListener("keydown", use, { passive: true });
  window.addEventListener("pointerdown", use, { passive: true });
  document.getElementById("idle_stay").addEventListener("click", (e) => { e.preventDefault(); stay(); });
  window.setInterval(() => {
    const idle = Date.now() - since;
    if (idle >= end + 2e3) location.replace(box.dataset.end);
    else if (used && idle >= often) stay();
  }, 5000);
})();

// Asks the browser for a passkey and sends its answer with the form. Without
// script, or in a browser that has no passkeys, the button is not there.
(() => {
  "use strict";
  const P = window.PublicKeyCredential;
  for (const button of document.querySelectorAll("button[data-passkey]")) {
    const make = button.dataset.passkey === "make";
    if (!P || !window.fetch || !(make ? P.parseCreationOptionsFromJSON : P.parseRequestOptionsFromJSON)) {
      button.hidden = true;
      continue;
    }
    const form = button.form;
    const failed = document.getElementById("passkey_failed");
    let busy = false;
    button.addEventListener("click", async (e) => {
      e.preventDefault();
      if (busy) return;
      busy = true;
      failed.hidden = true;
      try {
        let key;
        if (make) {
          const options = JSON.parse(button.dataset.options);
          options.user.name = options.user.displayName = form.elements.name.value || options.rp.name;
          key = await navigator.credentials.create({ publicKey: P.parseCreationOptionsFromJSON(options) });
        } else {
          const answer = await fetch(button.dataset.options, { method: "POST", credentials: "same-origin", body: new URLSearchParams({ by: "script" }) });
          if (!answer.ok) throw new Error("no options");
          key = await navigator.credentials.get({ publicKey: P.parseRequestOptionsFromJSON(await answer.json()) });
        }
        form.elements.passkey.value = JSON.stringify(key);
        form.requestSubmit(button);
      } catch (e) {
        failed.hidden = false; // given up, too late, or nothing there
      } finally {
        busy = false;
      }
    });
  }
})();

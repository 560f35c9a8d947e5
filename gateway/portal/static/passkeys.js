// Passkeys: what only a script can ask of a browser (WebAuthn). A form with data-passkey gets its options from data-options,
// has the browser make or use a passkey, and sends the answer as its field "answer".
"use strict";
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const known = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const ask = {
    async create(options) {
      const made = await navigator.credentials.create({ publicKey: { ...options, challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) }, excludeCredentials: known(options.excludeCredentials) } });
      return { id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: {},
        response: { clientDataJSON: text(made.response.clientDataJSON), attestationObject: text(made.response.attestationObject),
          transports: made.response.getTransports ? made.response.getTransports() : [] } };
    },
    async get(options) {
      const used = await navigator.credentials.get({ publicKey: { ...options, challenge: bytes(options.challenge),
        allowCredentials: known(options.allowCredentials) } });
      const { clientDataJSON, authenticatorData, signature, userHandle } = used.response;
      return { id: used.id, rawId: text(used.rawId), type: used.type, clientExtensionResults: {},
        response: { clientDataJSON: text(clientDataJSON), authenticatorData: text(authenticatorData), signature: text(signature),
          userHandle: userHandle ? text(userHandle) : null } };
    },
  };

  const say = (form, words) => { form.querySelector("[data-words]").textContent = words; };

  async function run(form) {
    say(form, "Your browser asks you now …");
    const answer = await fetch(form.dataset.options, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (!answer.ok || !answer.headers.get("content-type").startsWith("application/json")) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      throw new Error(page.querySelector(".fault")?.textContent.trim() || "That did not work. Reload the page and try again.");
    }
    form.elements.answer.value = JSON.stringify(await ask[form.dataset.passkey](await answer.json()));
    if (form.elements.password) { form.elements.password.value = ""; }
    form.submit();
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = !window.PublicKeyCredential;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      event.stopPropagation();
      run(form).catch((error) => say(form, error.name === "NotAllowedError" ? "Nothing was chosen, or it took too long." : error.message));
    });
  }
})();

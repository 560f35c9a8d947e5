// Solves the puzzle of a form with data-work (TW-8): finds what makes SHA-256 of "text.answer" begin with enough zero bits.
// The page's part starts this same file as a worker, so that the page stays quick.
"use strict";
if (typeof document === "undefined") {
  const zeros = (bytes, bits) => {
    for (let at = 0; bits > 0; at += 1, bits -= 8) {
      if (bytes[at] >> Math.max(0, 8 - bits)) { return false; }
    }
    return true;
  };
  onmessage = async ({ data }) => {
    const text = new TextEncoder();
    for (let answer = 0; ; answer += 1) {
      const hash = await crypto.subtle.digest("SHA-256", text.encode(`${data.text}.${answer}`));
      if (zeros(new Uint8Array(hash), data.bits)) { postMessage(String(answer)); return; }
    }
  };
} else {
  for (const form of document.querySelectorAll("form[data-work]")) {
    const button = form.querySelector("button[type=submit]");
    const worker = new Worker("/static/work.js");
    button.disabled = true;
    worker.onmessage = ({ data }) => { form.elements.answer.value = data; button.disabled = false; worker.terminate(); };
    worker.onerror = () => { button.disabled = false; };
    worker.postMessage({ text: form.elements.work.value, bits: Number(form.dataset.work) });
  }
}

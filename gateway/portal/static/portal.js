// Small comforts; every page works without them.
"use strict";
addEventListener("submit", (event) => {
  // A second click sends nothing twice.
  const form = event.target;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
  const working = form.querySelector("[data-working]");
  if (working) { working.hidden = false; }
  setTimeout(() => { delete form.dataset.sent; }, 8000);
});
addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) { return; }
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).innerText.trim());
  button.textContent = "Copied";
});
addEventListener("pageshow", () => {
  for (const form of document.forms) { delete form.dataset.sent; }
  for (const working of document.querySelectorAll("[data-working]")) { working.hidden = true; }
});

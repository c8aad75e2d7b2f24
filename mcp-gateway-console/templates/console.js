// Makes pages live, which work without it: reloads parts of a page, and offers to copy.
"use strict";

const PERIOD = 5000;
/** Time without input after which a page is left alone: it must not keep a session alive forever. */
const IDLE = 30 * 60 * 1000;

/** Adds a button that copies the text of `block`. */
function offerCopy(block) {
  const text = block.textContent;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(block);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  block.before(button);
}

/** Returns true while somebody works in `part`, which must not change under their hands. */
function isInUse(part) {
  const selection = getSelection();
  const isSelected = selection && !selection.isCollapsed && part.contains(selection.anchorNode);
  return part.contains(document.activeElement) || isSelected || part.querySelector("details[open]") !== null;
}

/** Replaces the live parts that have changed. */
async function reload() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
    if (!other || isInUse(part)) continue;
    const plain = (node) => node.innerHTML.replace(/name="csrf" value="[^"]*"/g, "");
    if (plain(other) !== plain(part)) part.replaceWith(document.adoptNode(other));
  }
}

for (const block of document.querySelectorAll("[data-copy]")) offerCopy(block);
if (document.querySelector("[data-live]")) {
  let isLoading = false;
  let used = Date.now();
  for (const kind of ["pointermove", "keydown", "focus"]) addEventListener(kind, () => (used = Date.now()));
  setInterval(async () => {
    if (document.hidden || isLoading || Date.now() - used > IDLE) return;
    isLoading = true;
    try {
      await reload();
    } catch {
      // The next round tries again.
    } finally {
      isLoading = false;
    }
  }, PERIOD);
}

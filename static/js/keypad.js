/**
 * The drawn keypad for an amount. On a touch screen it takes the place of the phone's own keyboard; where there is a
 * real one, it stays away. The field keeps the focus either way, so that whatever types into it still does.
 */

import { afterKey } from "./amount.js";

/** Let the keys in `pad` write into `field` (`box` holds both); a key has `data-key`, as `afterKey` knows them, or "hide". */
export function attachKeypad({ box, pad, field, window }) {
  const isTouch = () => window.matchMedia("(pointer: coarse)").matches;

  function show() {
    if (isTouch()) toggle(true);
  }

  function toggle(isShown) {
    pad.hidden = !isShown;
    window.document.documentElement.classList.toggle("df-has-keypad", isShown);
  }

  /** A key that had the focus goes with the others: the field has it then. */
  function hide() {
    field.focus();
    toggle(false);
  }

  function press(key) {
    if (key === "hide") {
      hide();
      return;
    }
    field.value = afterKey(field.value, key);
    field.setSelectionRange(field.value.length, field.value.length);
    field.dispatchEvent(new window.Event("input", { bubbles: true }));
  }

  if (isTouch()) field.inputMode = "none";
  field.addEventListener("focus", show);
  field.addEventListener("click", show); // it has the focus, and was hidden by its own key
  pad.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays where it is
  pad.addEventListener("click", ({ target }) => {
    const key = target.closest("[data-key]");
    if (key) press(key.dataset.key);
  });
  box.addEventListener("focusout", ({ relatedTarget }) => box.contains(relatedTarget) || toggle(false));
  box.addEventListener("keydown", ({ key }) => key === "Escape" && !pad.hidden && hide());
}

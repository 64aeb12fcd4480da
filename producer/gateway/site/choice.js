// Which model reads what is sent next: a choice, where workers hold more than one.

import { element, get } from "./parts.js";
import { say } from "./words.js";

let names = [];

// The name of one; nothing for each worker's default.
export const chosen = () => get("model").value;

// `held`: the names of those that there are, for whoever has this tab's key.
export function offer(held) {
  if (held.join("\n") === names.join("\n")) return;
  names = held;
  draw();
}

function draw() {
  const select = get("model");
  const before = select.value;
  const several = names.length > 1;
  select.replaceChildren(element("option", { value: "" }, say("the default")),
    ...(several ? names : []).map((name) => element("option", { value: name }, name)));
  select.value = several && names.includes(before) ? before : "";
  get("which").hidden = !several;
}

document.addEventListener("language", draw);

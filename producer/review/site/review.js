// Labels of pictures: one of those that are offered, or another one.
"use strict";
const listed = new Listed("groups", "groups");
let at = 0, busy = false, decided = 0;

speak({
  title: ["review", "复核"],
  picture: ["the picture to label", "要标注的图片"],
  other: ["another label", "其他标签"],
  none: ["none of the {0}", "不属于这 {0} 类"],
  undo: ["↶ take it back", "↶ 撤回"],
  seen: ["seen {0}×, first in {1}", "出现 {0} 次，首见于 {1}"],
  said: ["{0}; decided: {1}", "{0}；已定：{1}"],
  keyLabel: ["that label", "该标签"],
  keyFirst: ["the first", "第一个"],
  keyNone: ["none of them all", "都不是"],
  keyUndo: ["take it back", "撤回"],
  keyMove: ["back, on without a decision", "向前，向后（不作决定）"],
  keyNext: ["the next undecided", "下一个未定的"],
}, () => paint());

function paint() {
  const each = listed.known[at];
  if (!each) return;
  const none = text("none", $("labels").children.length);
  $("none").textContent = none;
  $("other").placeholder = text("other");
  $("where").textContent = text("of", at + 1, listed.total);
  $("decided").textContent = text("decided", decided);
  const seen = text("seen", each.sightings, each.place);
  $("about").textContent = each.decided === null ? seen : text("said", seen, each.decided || none);
}

async function show(index) {
  try {
    const page = await listed.upTo(index);
    if (page) decided = page.decided;
    if (page && !$("labels").children.length)
      for (const label of page.labels) $("labels").append(new Option(label));
  } catch (error) { $("error").textContent = text("notLoaded", error.message); return; }
  if (!listed.known.length) { $("where").textContent = text("nothing"); return; }
  at = Math.max(0, Math.min(index, listed.known.length - 1));
  const each = listed.known[at];
  $("error").textContent = "";
  $("picture").src = `pictures/${each.group}`;
  $("other").value = "";
  $("offered").replaceChildren(...each.offered.map((offer, number) => {
    const row = document.createElement("li");
    row.className = offer.label === each.decided ? "chosen" : "";
    const key = document.createElement("kbd"), label = document.createElement("span"),
      probability = document.createElement("span");
    key.textContent = number + 1;
    label.className = "label"; label.textContent = offer.label; label.lang = "zh";
    probability.className = "probability"; probability.textContent = offer.probability.toFixed(3);
    row.append(key, label, probability, ...offer.examples.map((group) => {
      const image = document.createElement("img");
      image.src = `pictures/${group}`; image.alt = "";
      return image;
    }));
    row.onclick = () => decide(offer.label);
    return row;
  }));
  paint();
}

async function decide(label) {
  if (busy || !listed.known.length) return;
  busy = true;
  try {
    const told = await send("decisions", {group: listed.known[at].group, label});
    listed.known[at].decided = label;
    decided = told.decided;
    $("other").blur();
    await show(label === null ? at : at + 1);
  } catch (error) {
    $("error").textContent = text("notSaved", error.message);   // stays on this picture
  } finally { busy = false; }
}

const takeBack = () => { if (listed.known[at] && listed.known[at].decided !== null) decide(null); };

async function next() {
  try {
    const index = await listed.next(at + 1, (each) => each.decided === null);
    if (index >= 0) await show(index);
  } catch (error) { $("error").textContent = text("notLoaded", error.message); }
}

$("none").onclick = () => decide("");
$("undo").onclick = takeBack;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === $("other")) {
    if (event.key === "Enter" && $("other").value.trim()) decide($("other").value.trim());
    if (event.key === "Escape") $("other").blur();
    return;
  }
  const offered = listed.known[at] ? listed.known[at].offered : [];
  if (event.key >= "1" && event.key <= "9" && offered[event.key - 1])
    decide(offered[event.key - 1].label);
  else if (event.key === "Enter" && event.target.tagName === "BUTTON") return;
  else if (event.key === "Enter" && offered[0]) decide(offered[0].label);
  else if (event.key === "0") decide("");
  else if (event.key === "Backspace") takeBack();
  else if (event.key === "/") $("other").select();
  else if (event.key === "ArrowLeft") show(at - 1);
  else if (event.key === "ArrowRight") show(at + 1);
  else if (event.key === "n") next();
  else return;
  event.preventDefault();
});

show(0).then(() => { if (listed.known[0] && listed.known[0].decided !== null) next(); });

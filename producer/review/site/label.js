// Answers of captchas: the model's guess is shown, and is right, or is made so.
"use strict";
const listed = new Listed("captchas", "captchas");
let at = 0, busy = false, picks = new Set(), decided = 0;

speak({
  title: ["label", "标注"],
  about: ["{0}: the guess is {1} % sure", "{0}：猜测的把握 {1} %"],
  already: ["{0}: decided", "{0}：已定"],
  words: ["words of the header", "标题中的词"],
  right: ["✓ right", "✓ 正确"],
  save: ["✓ save", "✓ 保存"],
  wrong: ["✗ wrong", "✗ 错误"],
  undo: ["↶ undo", "↶ 撤销"],
  skip: ["→ skip", "→ 跳过"],
  tile: ["tile {0}, {1}", "图块 {0}，{1}"],
  picture: ["captcha {0}", "验证码 {0}"],
  choose: ["choose the right tiles, then save", "请选出正确的图块，再保存"],
  none: ["choose one tile at least", "请至少选一个图块"],
  noWords: ["the header's words are missing", "缺少标题中的词"],
  done: ["all are decided", "全部已定"],
  keyRight: ["right, or save", "正确，或保存"],
  keyWrong: ["wrong: choose anew", "错误，重新选择"],
  keyTile: ["a tile", "图块"],
  keyWords: ["the words", "词"],
  keyUndo: ["undo", "撤销"],
  keyMove: ["back, on without a decision", "向前，向后（不作决定）"],
  keyNext: ["the next undecided", "下一个未定的"],
}, () => paint());

const words = () => $("words").value.split(/[\s,;、，；]+/).filter(Boolean);
const shown = (each) => each.said || each;

function isAsShown(each) {
  const {words: said, picks: chosen} = shown(each);
  return words().join(" ") === said.join(" ") && [...picks].sort().join() === [...chosen].sort().join();
}

// What depends on the answer as it is being made.
function paint() {
  const each = listed.known[at];
  if (!each) return;
  $("where").textContent = text("of", at + 1, listed.total);
  $("decided").textContent = text("decided", decided);
  $("about").textContent = each.said ? text("already", each.file)
    : text("about", each.file, Math.round(100 * each.confidence));
  $("right").textContent = text(isAsShown(each) ? "right" : "save");
  $("picture").alt = text("picture", each.file);
  each.tiles.forEach((tile, index) => {
    const button = $(`tile${index + 1}`), label = `${index + 1} ${tile.label}`;
    button.setAttribute("aria-pressed", picks.has(index + 1));
    button.setAttribute("aria-label", text("tile", index + 1, tile.label));
    button.firstChild.textContent = label;
  });
}

function build(page) {
  decided = page.decided;
  for (const label of page.labels) $("labels").append(new Option(label));
  $("last").textContent = Math.min(9, page.boxes.length);
  const [width, height] = page.size;
  page.boxes.forEach(([x, y, across, down], index) => {
    const button = document.createElement("button");
    button.id = `tile${index + 1}`;
    button.append(document.createElement("span"));
    Object.assign(button.style, {
      left: `${100 * x / width}%`, top: `${100 * y / height}%`,
      width: `${100 * across / width}%`, height: `${100 * down / height}%`,
    });
    button.onclick = () => toggle(index + 1);
    $("board").append(button);
  });
}

async function show(index) {
  try {
    const page = await listed.upTo(index);
    if (page && !$("tile1")) build(page);
  } catch (error) { $("error").textContent = text("notLoaded", error.message); return; }
  if (!listed.known.length) { $("where").textContent = text("nothing"); return; }
  at = Math.max(0, Math.min(index, listed.known.length - 1));
  const each = listed.known[at];
  $("error").textContent = "";
  $("picture").src = `pictures/${each.number}`;
  $("words").value = shown(each).words.join(" ");
  $("words").blur();
  picks = new Set(shown(each).picks);
  paint();
}

function toggle(tile) {
  if (!picks.delete(tile)) picks.add(tile);
  $("error").textContent = "";
  paint();
}

async function right() {
  const each = listed.known[at];
  if (busy || !each) return;
  if (!picks.size) { $("error").textContent = text("none"); return; }
  if (!words().length) { $("error").textContent = text("noWords"); return; }
  await tell(() => send("decisions", {number: each.number, words: words(), picks: [...picks]}), () => next());
}

function wrong() {
  picks.clear();
  paint();
  $("error").textContent = text("choose");
}

const undo = () => busy || tell(() => send("undo", {}), (told) => show(told.number));

async function tell(asked, then) {
  busy = true;
  try {
    const told = await asked();
    // Taken back may be what was decided before this page was opened anew.
    await listed.upTo(told.number);
    listed.known[told.number].said = told.said;
    decided = told.decided;
    await then(told);
  } catch (error) {
    $("error").textContent = text("notSaved", error.message);   // stays on this captcha
  } finally { busy = false; }
}

async function next() {
  const open = (each) => !each.said;
  try {
    let index = await listed.next(at + 1, open);
    if (index < 0) index = await listed.next(0, open);
    await show(index < 0 ? at : index);
    if (index < 0) $("error").textContent = text("done");
  } catch (error) { $("error").textContent = text("notLoaded", error.message); }
}

$("right").onclick = right;
$("wrong").onclick = wrong;
$("undo").onclick = undo;
$("skip").onclick = () => show(at + 1);
$("words").oninput = () => paint();

document.addEventListener("keydown", (event) => {
  const typing = event.target === $("words");
  if (typing) {
    if (event.isComposing) return;
    if (event.key === "Enter") $("words").blur();
    else if (event.key === "Escape") { $("words").value = shown(listed.known[at]).words.join(" "); $("words").blur(); paint(); }
    else return;
  } else if ((event.ctrlKey || event.metaKey) && event.key === "z") undo();
  else if (event.ctrlKey || event.metaKey || event.altKey) return;
  else if (/^[1-9]$/.test(event.key) && $(`tile${event.key}`)) toggle(Number(event.key));
  else if (event.key === "Enter") {
    // A button that has the focus is pressed, as everywhere.
    if (event.target.tagName === "BUTTON") return;
    right();
  } else if (event.key === "x") wrong();
  else if (event.key === "w") $("words").select();
  else if (event.key === "Backspace" || event.key === "u") undo();
  else if (event.key === "ArrowLeft") show(at - 1);
  else if (event.key === "ArrowRight") show(at + 1);
  else if (event.key === "n") next();
  else return;
  event.preventDefault();
});

show(0).then(() => { if (listed.known[0] && listed.known[0].said) next(); });

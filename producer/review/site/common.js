// What both pages share: two languages, questions to the server, things in the order of doubt.
"use strict";
const $ = (id) => document.getElementById(id);

// Name → [English, Chinese]; {0}, {1} … are filled in.
const shared = {
  language: ["中文", "English"],
  of: ["{0} of {1}", "第 {0} 个，共 {1} 个"],
  decided: ["{0} decided", "已定 {0} 个"],
  nothing: ["nothing here", "这里什么也没有"],
  notLoaded: ["not loaded: {0}", "未能加载：{0}"],
  notSaved: ["not saved: {0}", "未能保存：{0}"],
};
let texts = shared;
let chinese = (localStorage.getItem("language") || navigator.language).startsWith("zh");

function text(name, ...values) {
  return texts[name][chinese ? 1 : 0].replace(/\{(\d)\}/g, (_, at) => values[at]);
}

// Fills in every element with data-text (its text), data-label (its name for who cannot see it).
function translate() {
  document.documentElement.lang = chinese ? "zh-CN" : "en";
  document.title = `Tilefleet: ${text("title")}`;
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = text(each.dataset.text);
  for (const each of document.querySelectorAll("[data-label]"))
    each.setAttribute("aria-label", text(each.dataset.label));
}

// `changed` is called after the language was changed.
function speak(own, changed) {
  texts = {...shared, ...own};
  translate();
  $("language").onclick = () => {
    chinese = !chinese;
    localStorage.setItem("language", chinese ? "zh" : "en");
    translate();
    changed();
  };
}

async function answered(response) {
  const told = await response.json();
  if (!response.ok) throw new Error(told.error);
  return told;
}

async function ask(path) { return answered(await fetch(path)); }

async function send(path, what) {
  return answered(await fetch(path, {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(what),
  }));
}

// Things in the order of doubt, as far as they were fetched: `path` tells them under `name`.
class Listed {
  constructor(path, name) { this.path = path; this.name = name; this.known = []; this.total = Infinity; }

  // The page that was fetched last, or nothing if `index` was there.
  async upTo(index) {
    let page;
    while (this.known.length <= index && this.known.length < this.total) {
      page = await ask(`${this.path}?from=${this.known.length}&count=50`);
      this.total = page.total;
      this.known.push(...page[this.name]);
    }
    return page;
  }

  // The next that `wanted` says yes to, from `index` on; -1 if there is none.
  async next(index, wanted) {
    for (;; index += 1) {
      await this.upTo(index);
      if (index >= this.known.length) return -1;
      if (wanted(this.known[index])) return index;
    }
  }
}

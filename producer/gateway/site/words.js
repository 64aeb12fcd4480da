// What the pages say, in English and Chinese. The English text is the key, and what stands in the HTML.

const CHINESE = {
  "Reads grid captchas": "识别网格验证码",
  "Captcha": "验证码",
  "Drop captchas here": "将验证码拖到这里",
  "Choose captchas": "选择验证码",
  "or paste one with Ctrl+V · ": "或按 Ctrl+V 粘贴 · ",
  "as the site drew them, or in a screenshot": "原图或截图都可以",
  "Choose pictures": "选择图片",
  "Try a sample": "试用示例",
  "API key": "API 密钥",
  "Use": "使用",
  "Kept for this tab only, and forgotten when it closes.": "仅保存在此标签页中，关闭后即清除。",
  "Try again": "重试",
  "Read before": "历史记录",
  "Answer": "结果",
  "What the header asks for, what each tile shows, and where to click.": "题目要求的词、每个图块的内容，以及点击位置。",
  "The tiles, row by row": "图块，逐行排列",
  "Fleet": "集群",
  "Answered a second, by this gateway": "本网关每秒识别数",
  "Waiting": "等待中",
  "Waiting, bulk": "等待中（批量）",
  "Drained in": "预计清空",
  "Workers": "工作进程",
  "API": "API 文档",
  "Readiness": "就绪状态",
  "Metrics": "指标",
  "Pictures are read and not kept.": "图片仅用于识别，不会保存。",
  "Looking for workers …": "正在查找工作进程…",
  "Reading …": "识别中…",
  "No workers": "没有工作进程",
  "Ready: {n} worker": "就绪：{n} 个工作进程",
  "Ready: {n} workers": "就绪：{n} 个工作进程",
  "The gateway does not answer": "网关没有响应",
  "Is it still running?": "它还在运行吗？",
  "now": "立即",
  "That is not a picture": "这不是图片",
  "The picture is damaged": "图片已损坏",
  "The picture has another size": "图片尺寸不符",
  "The file is too large": "文件过大",
  "The fleet has too much to do": "集群繁忙",
  "The fleet is away": "集群不可用",
  "No answer in time": "未能及时得到结果",
  "No worker holds this model": "没有工作进程加载此模型",
  "Your key's quota is used up": "该密钥的配额已用完",
  "It could not be read": "无法识别",
  "Try again in {n} second.": "请在 {n} 秒后重试。",
  "Try again in {n} seconds.": "请在 {n} 秒后重试。",
  "This gateway asks for a key.": "此网关需要密钥。",
  "This gateway does not know your key.": "此网关不认识该密钥。",
  "Click {n} tile: {which}": "点击 {n} 个图块：{which}",
  "Click {n} tiles: {which}": "点击 {n} 个图块：{which}",
  "No tile shows it": "没有符合的图块",
  "{share} sure that all of it is right": "全部正确的把握：{share}",
  "picked": "已选",
  "Clicks": "点击坐标",
  "none": "无",
  "Model": "模型",
  "the default": "默认",
  "Pass": "推理",
  "{ms} ms, {n} captcha": "{ms} 毫秒，{n} 张验证码",
  "{ms} ms, {n} captchas": "{ms} 毫秒，{n} 张验证码",
  "Round trip": "往返时间",
  "{ms} ms": "{ms} 毫秒",
  "The captcha {name}": "验证码 {name}",
  "from the clipboard": "（来自剪贴板）",
  "sample {n}": "示例 {n}",
  "{name}: tiles {which}": "{name}：图块 {which}",
  "{name}: {why}": "{name}：{why}",
  "{name}: reading …": "{name}：识别中…",
  "{name}: waiting for a key": "{name}：等待密钥",
  "The API": "API",
  "Every path, with a request that works: it is sent from this page, with a sample.": "每个路径都附有可用的请求：可在本页用示例图片直接发送。",
  "The page": "网页",
  "OpenAPI document": "OpenAPI 文档",
  "Send": "发送",
  "Sending …": "发送中…",
  "Request": "请求",
  "Parameters": "参数",
  "Replies": "响应",
  "Objects": "对象",
  "Contents": "目录",
  "Old": "旧版",
  "asks for a key": "需要密钥",
  "optional": "可选",
  "of these": "其中之一",
  "Field": "字段",
  "Type": "类型",
  "Meaning": "说明",
  "Status": "状态",
  "Body": "内容",
  "{status} in {ms} ms": "{status}，{ms} 毫秒",
};

export const languages = ["en", "zh"];
const kept = "language";

let now = localStorage.getItem(kept) ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

export const language = () => now;

// The text in the reader's language, with what stands in braces filled in.
export function say(text, values = {}) {
  const said = (now === "zh" ? CHINESE[text] : undefined) ?? text;
  return said.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

// The first text for one, the second for any other number, which is {n}.
export function many(n, one, more, values = {}) {
  return say(n === 1 ? one : more, { ...values, n });
}

// Every text of the page that does not change otherwise.
export function translate() {
  document.documentElement.lang = now === "zh" ? "zh-CN" : "en";
  for (const node of document.querySelectorAll("[data-say]")) {
    node.dataset.english ??= node.textContent;
    node.textContent = say(node.dataset.english);
  }
  for (const node of document.querySelectorAll("[data-say-label]")) {
    node.dataset.english ??= node.getAttribute("aria-label");
    node.setAttribute("aria-label", say(node.dataset.english));
  }
  const other = document.getElementById("language");
  other.textContent = now === "zh" ? "English" : "中文";
  other.lang = now === "zh" ? "en" : "zh";
}

// `again` draws what scripts have written.
export function start(again) {
  translate();
  document.getElementById("language").addEventListener("click", () => {
    now = now === "zh" ? "en" : "zh";
    localStorage.setItem(kept, now);
    translate();
    document.dispatchEvent(new Event("language"));
  });
  document.addEventListener("language", again);
}

// The OpenAPI document as a page: every path, what it takes and gives, and requests that can be sent.

import { filled, request } from "./request.js";
import { element, get } from "./parts.js";
import { say, start } from "./words.js";

// The address in the document's commands; this gateway's own is put there.
const ADDRESS = "http://127.0.0.1:8000";
const here = new URL(".", location.href).href.replace(/\/$/, "");

let api = null;

function draw() {
  if (!api) return;
  get("version").textContent = `${api.info.title} ${api.info.version}`;
  get("door").hidden = !api.components.securitySchemes;
  const all = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation, id: `${method}-${path}` })));
  get("contents").replaceChildren(...all.map(({ path, id }) =>
    element("li", {}, element("a", { href: `#${id}` }, path))));
  get("paths").replaceChildren(...all.map(described));
  get("objects").replaceChildren(...Object.entries(api.components.schemas).map(([name, schema]) =>
    element("div", { id: `object-${name}` }, element("h3", {}, name), ...fields(schema))));
}

function described({ path, method, operation, id }) {
  const notes = [
    ...(operation.security ? [say("asks for a key")] : []),
    ...(operation.deprecated ? [say("Old")] : []),
  ];
  return element("section", { class: "card", id, "aria-label": `${method.toUpperCase()} ${path}` },
    element("h2", {},
      element("span", { class: "method" }, method.toUpperCase()), element("span", { class: "path" }, path),
      ...notes.map((note) => element("span", { class: "note" }, note))),
    element("p", {}, operation.summary),
    ...(operation.parameters ? parameters(operation.parameters) : []),
    ...(operation.requestBody ? body(operation.requestBody) : []),
    element("h3", {}, say("Replies")),
    table(["Status", "Body", "Meaning"], Object.entries(operation.responses).map(([status, given]) => {
      const reply = given.$ref ? api.components.responses[given.$ref.split("/").pop()] : given;
      return [code(status), contents(reply.content), reply.description];
    })),
    element("h3", {}, say("Request")),
    ...operation["x-codeSamples"].map((sample) => example(path, method, sample)));
}

function parameters(listed) {
  return [
    element("h3", {}, say("Parameters")),
    table(["Field", "Type", "Meaning"], listed.map(({ name, in: where, schema, description }) =>
      [code(name), `${where}: ${typeOf(schema)}`, description])),
  ];
}

function body({ description, content }) {
  return [
    element("h3", {}, say("Body")),
    ...(description ? [element("p", {}, description)] : []),
    table(["Type", "Body"], Object.entries(content).map(([kind, { schema }]) => [code(kind), nodes(schema)])),
  ];
}

const contents = (content) => Object.entries(content ?? {}).flatMap(([kind, { schema }], at) =>
  [...(at ? [element("br", {})] : []), code(kind), " ", ...nodes(schema)]);

// What a schema says of itself -----------------------------------------------------------------------

function nodes(schema) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return [element("a", { href: `#object-${name}` }, name)];
  }
  if (schema.properties) {
    return [code(`{ ${Object.entries(schema.properties).map(([name, each]) => `${name}: ${typeOf(each)}`).join(", ")} }`)];
  }
  return [typeOf(schema)];
}

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.oneOf) return schema.oneOf.map(typeOf).join(" | ");
  if (schema.enum) return schema.enum.length > 6 ? `${schema.enum.slice(0, 3).join(" | ")} | … (${schema.enum.length})` : schema.enum.join(" | ");
  if (schema.type === "array") return `[${typeOf(schema.items)}, …]`;
  const names = [].concat(schema.type ?? "any").join(" | ");
  const form = schema.contentEncoding ?? (schema.contentMediaType ? "file" : "");
  const bounds = [
    ["≥", schema.minimum], [">", schema.exclusiveMinimum], ["≤", schema.maximum], ["=", schema.default],
  ].filter(([, value]) => value !== undefined).map(([sign, value]) => `${sign} ${value}`);
  return [names, form, ...bounds].filter(Boolean).join(" ");
}

function fields(schema) {
  if (schema.oneOf) return schema.oneOf.flatMap((each) => [element("p", { class: "quiet" }, say("of these")), ...fields(each)]);
  if (!schema.properties) return [element("p", {}, ...nodes(schema))];
  const needed = new Set(schema.required);
  return [table(["Field", "Type", "Meaning"], Object.entries(schema.properties).map(([name, each]) =>
    [code(name), nodes(each), (needed.has(name) ? "" : `(${say("optional")}) `) + (each.description ?? "")]))];
}

const code = (text) => element("code", {}, text);

function table(heads, rows) {
  return element("div", { class: "rows", tabindex: "0", role: "group", "aria-label": heads.map((head) => say(head)).join(", ") },
    element("table", {},
      element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, say(head))))),
      element("tbody", {}, ...rows.map((cells) =>
        element("tr", {}, ...cells.map((cell) => element("td", {}, ...[].concat(cell))))))));
}

// Requests ------------------------------------------------------------------------------------------

function example(path, method, sample) {
  const send = element("button", { type: "button", "aria-label": `${say("Send")}: ${method.toUpperCase()} ${path}, ${sample.label}` }, say("Send"));
  const reply = element("div", { class: "reply", role: "status", hidden: "" });
  send.addEventListener("click", () => sent(path, method, sample, send, reply));
  return element("div", { class: "example" },
    element("div", { class: "row" }, element("h4", {}, sample.label), send),
    element("pre", { tabindex: "0" }, sample.source.replaceAll(ADDRESS, here)),
    reply);
}

async function sent(path, method, sample, send, reply) {
  send.disabled = true;
  reply.hidden = false;
  reply.dataset.state = "busy";
  reply.replaceChildren(say("Sending …"));
  const began = performance.now();
  try {
    const key = get("key").value.trim() || sessionStorage.getItem("key");
    const got = await request(path.slice(1), method, filled(sample["x-request"]), key);
    const text = await got.text();
    const took = say("{status} in {ms} ms", { status: got.status, ms: Math.round(performance.now() - began) });
    reply.replaceChildren(element("p", { class: "said" }, took), element("pre", { tabindex: "0" }, pretty(text, got)));
    reply.dataset.state = got.ok ? "answered" : "failed";
  } catch {
    reply.replaceChildren(element("p", { class: "said" }, say("The gateway does not answer")));
    reply.dataset.state = "failed";
  }
  send.disabled = false;
}

function pretty(text, got) {
  const kind = got.headers.get("content-type") ?? "";
  const shown = kind.includes("json") && !kind.includes("ndjson") ? JSON.stringify(JSON.parse(text), null, 2) : text;
  return shown.length > 20000 ? `${shown.slice(0, 20000)} …` : shown;
}

get("door").addEventListener("submit", (event) => event.preventDefault());
get("key").addEventListener("change", () => {
  const key = get("key").value.trim();
  if (key) sessionStorage.setItem("key", key);
  else sessionStorage.removeItem("key");
});

start(draw);
try {
  api = await (await fetch("openapi.json")).json();
  draw();
  // What the address points at was not there when the browser looked.
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
} catch {
  get("trouble").hidden = false;
  get("trouble").textContent = say("The gateway does not answer");
}

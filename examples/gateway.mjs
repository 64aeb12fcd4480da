// The gateway with Node, without any package: a list of captchas, each answer as soon as it is there.
//
//     node examples/gateway.mjs captcha.jpg another.jpg …
//
// TILEFLEET_GATEWAY: its address. TILEFLEET_KEY: an API key, where it asks for one.

import { readFile } from "node:fs/promises";
import { basename } from "node:path";

const gateway = process.env.TILEFLEET_GATEWAY ?? "http://127.0.0.1:8000";
const files = process.argv.slice(2);
if (!files.length) throw new Error("give files");

const form = new FormData();
for (const file of files) form.append("images", new Blob([await readFile(file)]), basename(file));

const reply = await fetch(`${gateway}/v1/solve-many?timeout=30`, {
  method: "POST",
  headers: { Accept: "application/x-ndjson", "X-API-Key": process.env.TILEFLEET_KEY ?? "" },
  body: form,
});
if (!reply.ok) {
  const problem = await reply.json();
  console.error(`${problem.title}: ${problem.detail}`);
  process.exit(1);
}

for await (const { index, answer, error } of lines(reply.body)) {
  const name = basename(files[index]);
  if (error) console.log(`${name}: ${error.type}: ${error.message}`);
  else console.log(`${name}: ${answer.words.map((word) => word.label).join(" ")}: ${answer.picks.join(" ")}`);
}

// Each line of a body, as an object, when it has come.
async function* lines(body) {
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop();
    for (const part of parts) yield JSON.parse(part);
  }
}

// A request as the OpenAPI document's examples describe it, with a sample as its picture.

const SAMPLE = "site/sample-1.jpg";

// An idempotency key is used once for each picture; each click is a request of its own.
export function filled(described) {
  const headers = { ...described.headers };
  if (headers["Idempotency-Key"]) headers["Idempotency-Key"] = random();
  return { ...described, headers };
}

// Only there where the page came over TLS or from this machine: crypto.randomUUID.
const random = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export async function request(path, method, { body, field, pictures, headers, query }, key) {
  const options = { method: method.toUpperCase(), headers: { ...headers }, cache: "no-store" };
  if (key) options.headers["X-API-Key"] = key;
  if (body) {
    const picture = await (await fetch(SAMPLE)).blob();
    Object.assign(options.headers, body === "json" ? { "Content-Type": "application/json" } : {});
    options.body = await bodies[body](picture, field, pictures);
  }
  return fetch((path || "./") + query, options);
}

const bodies = {
  raw: (picture) => picture,
  form(picture, field, count) {
    const form = new FormData();
    for (let each = 0; each < count; each += 1) form.append(field, picture, "captcha.jpg");
    return form;
  },
  async json(picture, field, count) {
    const text = await base64(picture);
    return JSON.stringify({ [field]: count > 1 ? Array(count).fill(text) : text });
  },
  urlencoded: async (picture, field) => new URLSearchParams({ [field]: await base64(picture) }),
};

function base64(picture) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(",")[1]);
    reader.onerror = reject;
    reader.readAsDataURL(picture);
  });
}

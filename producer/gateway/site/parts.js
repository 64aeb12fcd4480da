// What the page's scripts make it of: elements, drawings, numbers as text.

export const get = (id) => document.getElementById(id);

// Only what is certain is 100: 0.996 is not.
export function percent(share, unit = " %") {
  return (share < 1 ? (share < 0.995 ? Math.round(share * 100) : "99+") : 100) + unit;
}

// What a request sends of the key that this tab has.
export function authorization() {
  const key = sessionStorage.getItem("key");
  return key ? { Authorization: `Bearer ${key}` } : {};
}

export function element(name, attributes, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function drawing(name, attributes, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// What a page must keep for everybody. Returns a list of complaints, each naming its element.
const complaints = [];
const name = (e) => `${e.tagName.toLowerCase()}${e.id ? "#" + e.id : ""}${e.classList.length ? "." + [...e.classList].join(".") : ""}`;
const rgba = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
const over = (top, under) => {
  const alpha = top[3] ?? 1;
  return [0, 1, 2].map((i) => top[i] * alpha + under[i] * (1 - alpha));
};
const light = (rgb) => {
  const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (e) => {
  const layers = [];
  for (let at = e; at; at = at.parentElement) {
    const colour = rgba(getComputedStyle(at).backgroundColor);
    layers.push(colour);
    if ((colour[3] ?? 1) === 1) break;
  }
  return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
};
document.querySelectorAll("details").forEach((d) => { d.open = true; });
document.querySelectorAll(".off").forEach((p) => p.classList.remove("off"));
const seen = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const e = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || e.closest("script, dialog, title, .sr, .skip, option")) continue;
  const style = getComputedStyle(e);
  const back = ground(e);
  const front = over(rgba(e.closest("svg") ? style.fill : style.color), back);
  const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const key = `${name(e)} ${ratio.toFixed(2)}`;
  if (ratio < (isLarge ? 3 : 4.5) && !seen.has(key)) { seen.add(key); complaints.push(`contrast: ${key}`); }
}
const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => complaints.push(`id twice: ${id}`));
let level = 0;
document.querySelectorAll("main h1, main h2, main h3, main h4, main h5, main h6").forEach((h) => {
  const now = Number(h.tagName[1]);
  if (now > level + 1) complaints.push(`heading skips from ${level} to ${now}: ${h.textContent.slice(0, 40)}`);
  level = now;
});
if (document.querySelectorAll("h1").length !== 1) complaints.push("not one h1");
if (!document.documentElement.lang) complaints.push("no language");
if (!document.title) complaints.push("no title");
if (document.querySelectorAll("main").length !== 1) complaints.push("not one main");
document.querySelectorAll("a, button, select, input, textarea, summary").forEach((e) => {
  const label = e.getAttribute("aria-label") || e.textContent.trim() || e.closest("label")?.textContent.trim();
  if (!label) complaints.push(`no name: ${name(e)}`);
});
document.querySelectorAll("svg").forEach((e) => {
  if (e.getAttribute("aria-hidden") !== "true" && !(e.getAttribute("role") === "img" && e.querySelector("title")))
    complaints.push(`picture without words: ${name(e)}`);
});
document.querySelectorAll(".grid-table").forEach((t) => {
  if (!t.querySelector("caption") || !t.querySelector("th[scope=col]")) complaints.push(`table without heads: ${name(t)}`);
});
document.querySelectorAll("dl").forEach((d) => {
  if ([...d.children].some((c) => !["DIV", "DT", "DD"].includes(c.tagName))) complaints.push(`odd dl: ${name(d)}`);
});
document.querySelectorAll("ul, ol").forEach((l) => {
  if ([...l.children].some((c) => c.tagName !== "LI")) complaints.push(`odd list: ${name(l)}`);
});
document.querySelectorAll(".scroll, pre").forEach((e) => {
  if (e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0) complaints.push(`scrolls but takes no focus: ${name(e)}`);
});
document.querySelectorAll('a[href^="#"]').forEach((a) => {
  if (!document.getElementById(a.getAttribute("href").slice(1))) complaints.push(`leads nowhere: ${a.getAttribute("href")}`);
});
return complaints;

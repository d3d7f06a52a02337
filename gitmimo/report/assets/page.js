"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const one = (selector) => document.querySelector(selector);
  const left = one("#left"), right = one("#right"), products = one("#products"), help = one("#help");
  let here = null;

  const show = () => {
    if (!left || !products) return;
    const second = right.value === left.value ? "" : right.value;
    const wanted = [left.value, second].filter(Boolean);
    for (const product of all(".product")) {
      const place = wanted.indexOf(product.dataset.candidate);
      product.classList.toggle("off", place < 0);
      if (place === 0) products.prepend(product);
    }
    products.classList.toggle("two", wanted.length > 1);
    mark(null);
  };
  const files = () => all(".product:not(.off) details.file, #learned > details[open] details.file");
  const mark = (file) => {
    if (here) here.classList.remove("here");
    here = file;
    if (!file) return;
    file.classList.add("here");
    file.querySelector("summary").focus({ preventScroll: true });
    file.scrollIntoView({ block: "start" });
  };
  const move = (list, current, by) => {
    if (!list.length) return null;
    const at = list.indexOf(current);
    return list[at < 0 ? (by > 0 ? 0 : list.length - 1) : Math.min(list.length - 1, Math.max(0, at + by))];
  };
  const turn = (by) => {
    if (!left) return;
    left.selectedIndex = (left.selectedIndex + by + left.options.length) % left.options.length;
    show();
    one("#changes")?.scrollIntoView();
  };
  const beside = () => {
    if (!right) return;
    const other = all("option", right).find((option) => option.value && option.value !== left.value);
    right.value = right.value || !other ? "" : other.value;
    show();
  };
  const theme = () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  };
  const fold = () => {
    const list = files(), open = list.some((file) => !file.open);
    for (const file of list) file.open = open;
  };
  const view = (file, is) => {
    file.classList.toggle("seen", is);
    file.querySelector(".viewed input").checked = is;
    file.open = !is;
  };
  const copy = async () => {
    const button = one("#copy");
    try {
      await navigator.clipboard.writeText(one("#command").textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(one("#command"));
    }
  };
  const reveal = () => {
    const target = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    if (!target) return;
    const product = target.closest(".product");
    if (product && left) { left.value = product.dataset.candidate; show(); }
    for (let box = target.parentElement?.closest("details"); box; box = box.parentElement?.closest("details")) box.open = true;
    if (target.matches("details")) { target.open = true; mark(target); } else target.scrollIntoView();
  };
  const keys = {
    j: () => mark(move(files(), here, 1)), k: () => mark(move(files(), here, -1)),
    n: () => turn(1), p: () => turn(-1), s: beside, t: theme, a: fold,
    v: () => { if (here) view(here, !here.classList.contains("seen")); },
    o: () => { if (here) here.open = !here.open; },
    g: () => scrollTo(0, 0),
    "?": () => (help?.open ? help.close() : help?.showModal()),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, textarea")) return;
    if (help?.open && event.key !== "?") return;
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  if (left) { left.addEventListener("change", show); right.addEventListener("change", show); }
  const seconds = Number(one('meta[name="mimo-refresh"]')?.content ?? 0);
  const busy = () => help?.open || all("textarea").some((area) => area.value) || String(getSelection());
  if (seconds) setInterval(() => { if (!document.hidden && !busy()) location.reload(); }, seconds * 1000);
  for (const box of all(".viewed input")) box.addEventListener("change", () => view(box.closest("details.file"), box.checked));
  for (const label of all(".viewed")) label.addEventListener("click", (event) => event.stopPropagation());
  for (const button of all("button.more")) {
    button.addEventListener("click", () => {
      const body = button.closest("tbody");
      body.nextElementSibling.hidden = false;
      body.remove();
    });
  }
  one("#copy")?.addEventListener("click", copy);
  one("#theme")?.addEventListener("click", theme);
  one("#keys")?.addEventListener("click", keys["?"]);
  addEventListener("hashchange", reveal);
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open]):not([data-big])");
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => { for (const details of opened) details.open = false; });
  document.documentElement.dataset.ready = "yes";
  reveal();
})();

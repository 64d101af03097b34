// Before the first paint.

// The server writes pages that work without scripts (data-plain). Who has no scripts or no WebAssembly keeps them; /status has no more code than this.
if (typeof WebAssembly !== "object") {
  if (location.pathname === "/cluster") location.replace("/status");
} else if (location.pathname !== "/status") {
  delete document.documentElement.dataset.plain;
}

// The paint comes when the page's last element is there, however slowly that is: parts that were painted earlier would move.
const end = document.createElement("link");
end.rel = "expect";
end.href = "#end";
end.setAttribute("blocking", "render");
document.head.append(end);

// What this browser remembers of an earlier visit. Where storage is forbidden, that is nothing.
try {
  // The colours, if some were chosen. The rest is in app/src/components/header.rs.
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;

  // How to equalize: "name=value", a line for each field that was ever touched. It stands in the fields as soon as they are read, so
  // that nothing moves when the page comes alive (app/src/components/recipe_fields.rs), and is kept whenever something is entered.
  const lines = (localStorage.getItem("recipe") ?? "").matchAll(/^([^=\n]+)=(.*)$/gm);
  const entered = new Map(Array.from(lines, ([, name, value]) => [name, value]));
  const fill = () => {
    for (const field of document.querySelectorAll(".recipe [name]")) {
      if (entered.has(field.name)) field.value = entered.get(field.name);
    }
  };
  const reading = new MutationObserver(fill);
  reading.observe(document, { childList: true, subtree: true });
  addEventListener("DOMContentLoaded", () => {
    fill();
    reading.disconnect();
  });
  addEventListener("input", ({ target }) => {
    if (!target.name || !target.closest(".recipe")) return;
    entered.set(target.name, target.value);
    localStorage.setItem("recipe", Array.from(entered, ([name, value]) => `${name}=${value}`).join("\n"));
  });
} catch {}

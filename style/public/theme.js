// Runs before the first paint.

// The server's pages work without scripts (data-plain) and stay so without WebAssembly. /status has no other script than this.
if (typeof WebAssembly !== "object") {
  if (location.pathname === "/cluster") location.replace("/status");
} else if (location.pathname !== "/status") {
  delete document.documentElement.dataset.plain;
}

// The page is painted once its last element has arrived, however slowly: parts painted earlier would move.
const end = document.createElement("link");
end.rel = "expect";
end.href = "#end";
end.setAttribute("blocking", "render");
document.head.append(end);

// Settings from earlier visits; none if storage is forbidden.
try {
  // The chosen colour scheme. See also app/src/components/header.rs.
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;

  // The recipe: a line "name=value" for each field that was ever changed. The fields are filled as soon as they are parsed, so that
  // nothing moves when the page is hydrated (app/src/components/recipe_fields.rs), and stored on every input.
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

// End of the page's script. scripts/site.sh appends it after FILES, which lists the files of each part of the page.

const asked = new Set();

/** Has the browser fetch a part of the page that will likely be needed. */
export function prefetch(part) {
    for (const file of FILES[part] ?? []) {
        if (asked.has(file)) continue;
        asked.add(file);
        const link = document.createElement("link");
        Object.assign(link, { rel: "preload", as: "fetch", type: "application/wasm", crossOrigin: "anonymous" });
        link.href = new URL(file, import.meta.url).href;
        document.head.append(link);
    }
}

// Pointing at a link is often followed by a click.
for (const sign of ["pointerover", "focusin"]) {
    addEventListener(sign, (event) => prefetch(event.target.closest?.("[data-part]")?.dataset.part), { passive: true });
}

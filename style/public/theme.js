// Before the first paint: the colours chosen earlier, if any. The rest is in app/src/components/header.rs.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden: the colours follow the system.
}

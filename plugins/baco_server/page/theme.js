/** Dark or light: as the system says, until somebody chooses. Runs before the first paint, so it is no module. */
{
  const root = document.documentElement;
  const stored = () => {
    try {
      return localStorage.getItem("baco-theme");
    } catch {
      return null; // storage is switched off
    }
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  if (["dark", "light"].includes(stored())) root.dataset.theme = stored();

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => button.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try {
        localStorage.setItem("baco-theme", root.dataset.theme);
      } catch {
        // then it holds for this visit
      }
      label();
    });
    system.addEventListener("change", label);
    label();
  });
}

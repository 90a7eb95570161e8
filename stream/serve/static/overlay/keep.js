// Asks the browser to keep this page for a start without the server. Without that (plain http to another machine) the
// page still works once it is open; docs/overlays.md has a starter file for that case.

export async function keepThisPage() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register(new URL("../../overlay-worker.js", import.meta.url), {
      scope: new URL("../../overlay", import.meta.url).pathname,
    });
    const { active } = await navigator.serviceWorker.ready;
    const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
    active.postMessage({ keep: loaded.filter((url) => url.includes("/static/")) });
  } catch (error) {
    console.info("this page is not kept:", error); // private mode or a full disk must not hide the figures
  }
}

// Lets an overlay that was opened once start again while the server is away: OBS opens its pages before other programs
// may run, and never tries again. The server's answer always comes first, and figures are never kept here.

const CACHE = "snapup-overlay";
const scope = new URL(self.registration.scope);
/** The page is kept once, without its query, which may hold a token. */
const page = new URL(scope.pathname, scope).href;
const files = new URL("static/", scope).href;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

/** The page names the files that it loaded before this worker took over. */
self.addEventListener("message", (event) => {
  const named = Array.isArray(event.data?.keep) ? event.data.keep : [];
  const wanted = named.filter((url) => typeof url === "string" && url.startsWith(files)).slice(0, 100);
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll([page, ...wanted])));
});

self.addEventListener("fetch", (event) => {
  const key = keyOf(event.request);
  if (key !== null) event.respondWith(answer(event, key));
});

/** The key under which a request is kept; null: not at all (the figures). */
function keyOf({ method, mode, url }) {
  if (method !== "GET") return null;
  if (mode === "navigate") return new URL(url).pathname === scope.pathname ? page : null;
  return url.startsWith(files) ? url : null;
}

async function answer(event, key) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(event.request);
    if (response.ok) {
      event.waitUntil(cache.put(key, response.clone()));
      return response;
    }
    // By a status of 500 or more a gateway says that the server behind it is away.
    return response.status >= 500 ? ((await cache.match(key)) ?? response) : response;
  } catch (error) {
    const kept = await cache.match(key);
    if (kept === undefined) throw error;
    return kept;
  }
}

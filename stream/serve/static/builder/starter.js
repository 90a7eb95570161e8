// A small page for OBS's "Local file": it waits until the server answers and then goes there. It serves a first start
// before the server, and plain http, where a browser keeps no page.

const RETRY_MS = 2_000;

/** The text of the file. */
export function starterPage(address) {
  // Inside a script the address must not end the string or the script.
  const literal = JSON.stringify(String(address)).replaceAll("<", "\\u003c");
  return `<!doctype html>
<meta charset="utf-8">
<title>Snapup</title>
<script>
  const address = ${literal};
  const go = () =>
    fetch(address, { mode: "no-cors", cache: "no-store" }).then(
      () => location.replace(address),
      () => setTimeout(go, ${RETRY_MS}),
    );
  go();
</script>
`;
}

/** Let the browser save the file. */
export function saveStarter(address) {
  const url = URL.createObjectURL(new Blob([starterPage(address)], { type: "text/html" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "snapup-overlay.html";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

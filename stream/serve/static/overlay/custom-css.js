// OBS puts its "Custom CSS" box into the page as a <style> element, which a strict content security policy blocks. The
// page adopts such a sheet itself, and only from <head>: programs write there, text from a room never does.

export function adoptCustomCss() {
  const adopt = (node) => {
    if (!(node instanceof HTMLStyleElement)) return;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(node.textContent);
    document.adoptedStyleSheets.push(sheet);
  };
  document.head.querySelectorAll("style").forEach(adopt);
  new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach(adopt))).observe(document.head, {
    childList: true,
  });
}

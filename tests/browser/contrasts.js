// Text colour over the plate over the worst picture, by WCAG's formula; each text with the plate that it stands on.
() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number); return { r, g, b, a }; };
  const over = (top, under) => Object.fromEntries(["r", "g", "b"].map((c) => [c, top[c] * top.a + under[c] * (1 - top.a)]));
  const light = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const found = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility() || element.closest(".heard")) continue;
    const grounds = [];
    for (let at = element; at; at = at.parentElement) {
      const ground = parse(getComputedStyle(at).backgroundColor);
      if (ground.a > 0) grounds.unshift(ground);
    }
    for (const picture of [0, 64, 128, 192, 255]) {
      let under = { r: picture, g: picture, b: picture };
      for (const ground of grounds) under = over(ground, under);
      const text = over(parse(getComputedStyle(element).color), under);
      found.push([contrast(text, under), element.className || element.localName, walker.currentNode.textContent, picture]);
    }
  }
  return found.sort((a, b) => a[0] - b[0]).slice(0, 3);
}

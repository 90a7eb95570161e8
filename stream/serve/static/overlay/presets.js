// What platforms lay over an upright picture of 1080 × 1920, in its pixels: the widgets stay out of it. Where each figure
// is from stands in docs/overlays.md; a test compares the two.

/** Name → px from each edge. */
export const PRESETS = {
  douyin: { top: 250, right: 150, bottom: 640, left: 40 },
  tiktok: { top: 250, right: 170, bottom: 640, left: 40 },
  kuaishou: { top: 250, right: 150, bottom: 600, left: 40 },
  taobao: { top: 290, right: 170, bottom: 680, left: 40 },
};
export const PRESET_FRAME = { width: 1080, height: 1920 };

/** Sets the edges of the area for widgets, as shares of the frame. `overlay.css` uses them where the frame is upright. */
export function applyPreset(name, root) {
  if (!Object.hasOwn(PRESETS, name)) return;
  root.dataset.preset = name;
  for (const [edge, px] of Object.entries(PRESETS[name])) {
    const of = edge === "top" || edge === "bottom" ? PRESET_FRAME.height : PRESET_FRAME.width;
    root.style.setProperty(`--snapup-safe-${edge}`, `${((100 * px) / of).toFixed(3)}%`);
  }
}

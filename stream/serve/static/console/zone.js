// The time zone of this computer, in which every clock time of a page stands.

/** The zone's distance from UTC at a moment: `UTC+8`, `UTC−3:30`, `UTC`. */
export function zoneOf(epochMs) {
  const minutes = -new Date(epochMs).getTimezoneOffset();
  if (!Number.isFinite(minutes) || minutes === 0) return "UTC";
  const rest = Math.abs(minutes) % 60;
  return `UTC${minutes < 0 ? "−" : "+"}${Math.floor(Math.abs(minutes) / 60)}${rest ? `:${String(rest).padStart(2, "0")}` : ""}`;
}

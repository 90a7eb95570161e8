// The token of this browser tab. It is kept in the tab's session storage and goes out in a header: an address is seen by
// whoever looks at the screen, and stays in the browser's history.

const NAME = "snapup-token";

/** The token for a room, or for the list of rooms (`""`); "" if there is none. A token in the address moves out of it. */
export function takeToken(room = "") {
  const query = new URLSearchParams(location.search);
  const given = query.get("token");
  if (given !== null) {
    query.delete("token");
    history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}${location.hash}`);
    if (given) keepToken(given, room);
  }
  return read(`${NAME} ${room}`) || read(NAME) || given || "";
}

/** Keeps a token for a room and for every page without a token of its own. */
export function keepToken(token, room = "") {
  try {
    sessionStorage.setItem(NAME, token);
    if (room) sessionStorage.setItem(`${NAME} ${room}`, token);
  } catch {
    // Storage is switched off: the token holds until the page is left.
  }
}

function read(name) {
  try {
    return sessionStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

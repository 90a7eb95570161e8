// The hosts that pictures may come from: none. A server with `SNAPUP_SERVE_PICTURE_HOSTS` answers with its own list.

export const PICTURE_HOSTS = [];

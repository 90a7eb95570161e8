// More words of the console, in English: why figures do not come, the token, the desk of events, products.

export const CONSOLE_EN = {
  refusals: {
    needed: "A token is needed.",
    expired: "The token has expired.",
    other_room: "The token is for another room.",
    invalid: "The token is not valid.",
  },
  listRefusals: {
    needed: "A token for all rooms is needed to list them.",
    expired: "The token has expired.",
    other_room: "The token is for one room: the list needs one for all rooms.",
    invalid: "The token is not valid.",
  },
  reasons: {
    connecting: "Connecting to the server…",
    server: "The server does not answer.",
    redis: "Redis does not answer.",
    unreadable: "What came was not whole.",
    pipeline: "The pipeline is down: no worker was heard for {age}.",
    pipelineNever: "The pipeline is down: no worker is heard.",
    partly: "A part of the pipeline is down, and this room may be in it.",
    silent: "Nobody sends anything about this room; the workers are well.",
    ended: "The show ended at {time}.",
    quiet: "No new figures come: the workers are down, or nobody sends.",
  },
  pipelineDown: "pipeline down",
  token: {
    label: "Token",
    open: "Open",
    how: "Whoever runs Snapup makes one:",
  },
};

// What a server says of the workers, checked, with one word for it.

import { int, maybe, shape } from "./shapes.js";

const isPipeline = shape({ workers: int, heard_ms: maybe(int), partitions: int, folded: int });

/** `{ state, workers, heard_ms, partitions, folded }`; null: nothing is known, or what was said is no such thing. */
export function pipelineOf(value) {
  if (!isPipeline(value)) return null;
  const { workers, heard_ms = null, partitions, folded } = value;
  const state = workers < 1 ? "down" : folded < partitions ? "partly" : "up";
  return { state, workers, heard_ms, partitions, folded };
}

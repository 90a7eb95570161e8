"""The worker: the only place that knows Faust. It moves records, state, documents; the rules live in `stream.core`."""

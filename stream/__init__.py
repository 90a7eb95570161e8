"""Snapup: live-commerce signals from Kafka to on-screen overlays via Redis: exact and honest.

The map, in the order of the data flow. `cli.py` mounts `commands/` (thin: parse, build, run), which read `settings.py`
once and pass it on. `contract/` is what goes in and comes out: `events.py` (the one source of schemas/), `decode.py`
(bytes → event or dead letter), `overlay.py` (the document in Redis), `recording.py` (records in a file). `core/` is
pure, with no clock and no I/O: `merge.py` reads a partition's topics as one log, `partition.py` folds its slices,
`folds.py` events into a room (`room.py`), with a rule book each in `time`, `windows`, `distinct`, `presence`, `ledger`,
`rates`, `eta`, `urgency` and `claims`; `snapshot.py` makes the document, `saved/` the checkpoint. `worker/` alone knows
Faust: `app.py` wires, `transport.py` hands out whole slices, `ownership.py` and `partition_owner.py` say who may fold
which partition, `pump.py` folds a partition's slices, `checkpoint.py` saves state and offsets in one transaction,
`projection.py` writes to Redis. `serve/` reads Redis and shows it to browsers: `room_follower.py` follows the watched
rooms, `fanout.py` passes news on to their event streams, `routes.py` answers, `static/` holds the pages. `exits.py`
says how both end on purpose. `records/` reads Kafka's batches for all; `kernel/` does so in C, and scans flat events.
Beside them, needed by neither: `sources/` (other people's rows), `overlays/` (the documents in Redis, for people),
`replay/` (a past run again), `shows/` (seeded simulations with known totals), `verify/` (the independent recount: it
shares nothing with core and worker), `view/` (documents in a terminal), `local/` and `topics.py` (a real Kafka and
Redis on this machine, and the declared topics).
`mechanics/` holds what rooms do besides selling from stock, a folder each, above core, verify and shows, which know
none of them. Imports point one way: commands → the rest → core → contract.
"""

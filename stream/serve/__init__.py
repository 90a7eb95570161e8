"""The read server: Redis → browsers. It serves snapshots, event streams and pages, writes nothing, knows no core rule.

The server is stateless: any number may run side by side. `room_follower` follows Redis (one subscription per process),
`fanout` passes its findings on to the streams, `routes` answers requests.
"""

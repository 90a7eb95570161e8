"""The read server: Redis → browsers. Snapshots, event streams, pages; it writes nothing and knows no rule of the core.

Stateless: any number of them may run beside each other. `feed` follows Redis (one subscription per process), `fanout`
passes what it finds on to the streams, `routes` answers requests.
"""

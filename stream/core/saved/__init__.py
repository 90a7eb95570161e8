"""How a partition's state lies in the compacted topic `live.checkpoints`, and how it comes back.

Twelve kinds of record, so that a checkpoint costs what changed and not what a room has become:

    g|                           when event ids are next forgotten (`generations`)
    f|                           orders that have not changed since this moment were forgotten for want of room
                                 (`forgetting`)
    r|<room>                     a room's head: totals, ledgers, urgency; small, written whole when the room changed
                                 (`heads`, `ledgers`)
    k|<room>                     what a room without a session knows: its sales (`heads`)
    e|<room>                     the last document of a session, for some minutes (`stream.core.ended`)
    v|                           what no session of the partition may fall below (`stream.core.dormant`)
    b|<room>|<kind>|<block>      64 members of a session's distinct count; a full block never changes again; `s` = the
                                 sketch (`members`)
    m|<room>|<name>              a mechanic of the room, without its rows (`mechanics`)
    d|<n>  i|<n>  o|<n>  p|<n>   segments of change logs: windows, event ids, orders, sessions, carts (`changelog`,
    c|<n>  t|<n>                 `entries`, `rows`), rows of mechanics (`mechanics`). They are appended, then forgotten
                                 whole by age. Only the open last segment is written again.

Every value is framed: format version, CRC-32 of the rest, MessagePack (`frames`). How saved forms grow stands in
`growth`, the whole way back in `restore`, and what a partition did between two checkpoints in `journal`. Here nothing
decides a rule, and no rule's own file decides how it is saved.
"""

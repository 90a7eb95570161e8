#!/usr/bin/env bash
# redis-py 8.1.0, asyncio: two tasks use one subscription. One writes SUBSCRIBE, and the other closes the connection (the end of
# its `async with`, or an error that its `get_message` met) before the bytes are out. With a socket time-out the write is a
# task of its own, so there is such a moment each time. The writer then gets AttributeError ('NoneType' object has no
# attribute 'writelines') where it would get redis.exceptions.ConnectionError a moment earlier or later: who catches
# RedisError does not catch it.
#
# Needs Python 3.11 with venv. Exits 1 when the behaviour is another one: then `RoomFollower._subscribe` in
# stream/serve/room_follower.py catches what is not there any more.
set -euo pipefail
REDIS_PY=8.1.0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "redis==$REDIS_PY"

cat > look.py <<'PY'
import asyncio, contextlib, sys
import redis
import redis.asyncio
from redis.exceptions import RedisError

async def answer(reader, writer):
    """What a server says to SUBSCRIBE, and to nothing else."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(4096):
            for name in (b"a", b"b"):
                if b"SUBSCRIBE" in data and b"\r\n" + name + b"\r\n" in data:
                    writer.write(b"*3\r\n$9\r\nsubscribe\r\n$1\r\n" + name + b"\r\n:1\r\n")

async def main():
    print("redis-py", redis.__version__)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = redis.asyncio.Redis(port=port, socket_timeout=2, protocol=2, driver_info=None)
    subscription = client.pubsub()
    await subscription.subscribe("a")

    async def add():
        try:
            await subscription.subscribe("b")
        except RedisError as error:
            return f"an error of Redis: {error!r}"
        except AttributeError as error:
            return f"AttributeError: {error}"
        return "no error"

    adding = asyncio.create_task(add())
    await asyncio.sleep(0)
    await subscription.connection.disconnect(nowait=True)
    found = await adding
    print("subscribing while another task closes the connection:", found)
    await client.aclose()
    server.close()
    sys.exit(not found.startswith("AttributeError"))

asyncio.run(main())
PY
if venv/bin/python look.py; then
    echo "as found: a connection that is closed meanwhile is no error of Redis"
else
    echo "the behaviour is another one" && exit 1
fi

#!/usr/bin/env bash
# aiokafka 0.14.0: an idempotent producer that had one record refused (here for its time, on a topic with CreateTime)
# takes nothing more for that partition: each later record fails with OutOfOrderSequenceNumber, for as long as it lives.
# MessageAccumulator._pop_batch takes a batch's sequence numbers when it is sent and nobody gives them back when the
# broker refuses it, nor asks for a new epoch. A new producer goes on.
#
# Needs Java 17, Maven and Python 3.11 with venv. Exits 1 when the behaviour is another one: then docs/contract.md need
# not ask platforms to make a new producer after a refusal, nor stream/sources/sending.py do so.
set -euo pipefail
KAFKA=4.3.1 AIOKAFKA=0.14.0
folder=$(mktemp -d)
broker=""
tidy() { [ -z "$broker" ] || kill -9 "$broker" 2>/dev/null || true; rm -rf "$folder"; }
trap tidy EXIT
cd "$folder"

cat > pom.xml <<XML
<project><modelVersion>4.0.0</modelVersion><groupId>f</groupId><artifactId>f</artifactId><version>1</version>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>$KAFKA</version></dependency></dependencies></project>
XML
mvn -q -B dependency:copy-dependencies -DoutputDirectory=jars > mvn.log 2>&1 || { tail -5 mvn.log; exit 2; }
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "aiokafka==$AIOKAFKA"

read -r client controller < <(python3 - <<'PY'
import socket
sockets = [socket.socket() for _ in range(2)]
for each in sockets:
    each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in sockets))
PY
)
cat > server.properties <<P
node.id=1
process.roles=broker,controller
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$client,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$client
log.dirs=$folder/data
P
java -cp "jars/*" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c server.properties > format.log 2>&1
java -Xmx512m -cp "jars/*" kafka.Kafka server.properties > broker.log 2>&1 &
broker=$!

venv/bin/python - "127.0.0.1:$client" <<'PY'
import asyncio
import logging
import sys
import time

from aiokafka import AIOKafkaProducer, __version__
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import InvalidTimestampError, KafkaError, OutOfOrderSequenceNumber

SERVERS, TOPIC = sys.argv[1], "records"
logging.disable(logging.CRITICAL)


async def admin() -> AIOKafkaAdminClient:
    deadline = time.monotonic() + 60
    while True:
        client = AIOKafkaAdminClient(bootstrap_servers=SERVERS)
        try:
            await client.start()
            return client
        except KafkaError:
            await client.close()
            assert time.monotonic() < deadline, "the broker does not answer"
            await asyncio.sleep(0.2)


async def send(producer: AIOKafkaProducer, timestamp_ms: int) -> str:
    try:
        return f"offset {(await producer.send_and_wait(TOPIC, b'x', timestamp_ms=timestamp_ms)).offset}"
    except KafkaError as error:
        return type(error).__name__


async def main() -> int:
    client = await admin()
    await client.create_topics([NewTopic(TOPIC, 1, 1, topic_configs={"message.timestamp.type": "CreateTime"})])
    await client.close()
    now_ms = time.time_ns() // 1_000_000
    found = []
    # Three days ahead is more than a broker takes (message.timestamp.after.max.ms, an hour).
    for times in ((now_ms, now_ms + 3 * 86_400_000, now_ms, now_ms), (now_ms,)):
        async with AIOKafkaProducer(bootstrap_servers=SERVERS, acks="all", enable_idempotence=True) as producer:
            found += [await send(producer, each) for each in times]
    print(f"aiokafka {__version__}: {', '.join(found[:-1])}; a new producer: {found[-1]}")
    broken = OutOfOrderSequenceNumber.__name__
    return 0 if found == ["offset 0", InvalidTimestampError.__name__, broken, broken, "offset 1"] else 1


sys.exit(asyncio.run(main()))
PY

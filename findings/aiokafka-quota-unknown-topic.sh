#!/usr/bin/env bash
# aiokafka 0.14.0 under a producer quota of Kafka 4.3.1. The broker answers a large batch at once, says for how many
# milliseconds it will not read the connection, and means it. aiokafka does not look at that number. The next thing it
# sends over the connection may be the question where a topic lies that this producer has not written before. That
# question runs out of time, and `send` raises UnknownTopicOrPartitionError for a topic that exists and may be written.
#
# Needs Java 17, Maven and Python 3.11 with venv. Exits 1 when the behaviour is another one: then
# stream/worker/throttling.py and CheckpointWriter._taken hold off what is not there any more.
set -euo pipefail
KAFKA=4.3.1 AIOKAFKA=0.14.0
folder=$(mktemp -d)
node=
tidy() { if [ -n "$node" ]; then kill -9 "$node"; wait "$node"; fi 2>/dev/null || true; rm -rf "$folder"; }
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
cat > 1.properties <<P
node.id=1
process.roles=broker,controller
listeners=PLAINTEXT://127.0.0.1:$client,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$client
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
controller.quorum.voters=1@127.0.0.1:$controller
offsets.topic.replication.factor=1
auto.create.topics.enable=false
log.dirs=$folder/1
P
java -Xmx128m -cp 'jars/*' kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c 1.properties > format.log 2>&1 \
    || { tail -5 format.log; exit 2; }
java -Xmx384m -XX:TieredStopAtLevel=1 -cp 'jars/*' kafka.Kafka 1.properties > 1.log 2>&1 &
node=$!
tools() { java -Xmx128m -XX:TieredStopAtLevel=1 -cp 'jars/*' "$@"; }
for _ in $(seq 60); do
    tools org.apache.kafka.tools.TopicCommand --bootstrap-server "127.0.0.1:$client" --list > topics.log 2>&1 && break
done
tools kafka.admin.ConfigCommand --bootstrap-server "127.0.0.1:$client" --alter --entity-type clients \
    --entity-name held-back --add-config producer_byte_rate=40000 > quota.log 2>&1 || { tail -5 quota.log; exit 2; }

cat > look.py <<'PY'
import asyncio, importlib.metadata, sys, time
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

SERVERS = f"127.0.0.1:{sys.argv[1]}"

async def create(name):
    admin = AIOKafkaAdminClient(bootstrap_servers=SERVERS)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1)])
    await admin.close()

async def main():
    print("aiokafka", importlib.metadata.version("aiokafka"))
    await create("first")
    async with AIOKafkaProducer(
        bootstrap_servers=SERVERS, client_id="held-back", request_timeout_ms=2_000, max_request_size=2_000_000
    ) as producer:
        heard = []
        send = producer.client.send
        async def sending(*args, **named):
            answer = await send(*args, **named)
            heard.append(getattr(answer, "throttle_time_ms", 0))
            return answer
        producer.client.send = sending
        await create("second")  # after the producer has learned of all topics
        for _ in range(3):
            await producer.send_and_wait("first", bytes(300_000), partition=0)
            if max(heard) > 4_000:
                break
        begun = time.monotonic()
        print("the broker holds the connection back for", max(heard), "ms")
        assert max(heard) > 4_000, heard
        try:
            await producer.send("second", b"small", partition=0)
        except UnknownTopicOrPartitionError as error:
            print(f"after {time.monotonic() - begun:.1f} s: {error!r}, of a topic that is there")
        else:
            sys.exit("sent: the behaviour has changed")
        await asyncio.sleep(max(heard) / 1_000)
        await producer.send_and_wait("second", b"small", partition=0)
        print("when the time is over, the same record is taken")

asyncio.run(main())
PY
if venv/bin/python look.py "$client" 2> look.log; then
    echo "as found: a quota is reported as an unknown topic"
else
    tail -3 look.log
    echo "the behaviour is another one" && exit 1
fi

"""Several brokers on loopback as one KRaft cluster: for tests of leader changes and lost replicas.

Each node is broker and controller. Internal topics have one copy per node, three at most; of three copies two must be
in sync. The creator of a prefix's topics chooses their copies.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stream.errors import SnapupError
from stream.local.kafka import KafkaServer, Node, cluster_id
from stream.local.ports import free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from stream.local.settings import LocalSettings

COPIES_MAX = 3
ASK_TIMEOUT_MS = 5_000


class KafkaCluster:
    """Some brokers that belong together. `servers`: each broker, to be killed, paused and started alone.

    Args:
        folder: holds one folder for each node.
        settings: the settings of each broker; mind the heap.
        brokers: number of brokers; one is alone, as `KafkaServer` is.
    """

    def __init__(self, folder: Path, settings: LocalSettings, *, brokers: int) -> None:
        if brokers < 1:
            raise SnapupError(f"A cluster has at least one broker, not {brokers}.")
        copies = min(brokers, COPIES_MAX)
        in_sync = str(max(1, copies - 1))
        properties = {
            "offsets.topic.replication.factor": str(copies),
            "transaction.state.log.replication.factor": str(copies),
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": str(copies),
            "share.coordinator.state.topic.min.isr": in_sync,
        }
        numbers = range(1, brokers + 1)
        ports = free_ports(2 * brokers)
        voters = dict(zip(numbers, ports[brokers:], strict=True))
        identity = cluster_id()
        self.servers = [
            KafkaServer(
                folder / f"broker-{number}",
                settings,
                port=port,
                properties=properties,
                node=None if brokers == 1 else Node(number, identity, voters),
            )
            for number, port in zip(numbers, ports, strict=False)
        ]

    @property
    def bootstrap_servers(self) -> str:
        """Addresses of all brokers."""
        return ",".join(server.bootstrap_servers for server in self.servers)

    def start(self) -> None:
        """Start all brokers at once, for none answers without a majority; when one fails, none runs afterwards.

        Raises:
            SnapupError: as a single broker.
        """
        with ThreadPoolExecutor(len(self.servers), thread_name_prefix="broker") as pool:
            starting = [pool.submit(server.start) for server in self.servers]
        errors = [error for each in starting if (error := each.exception()) is not None]
        if errors:
            self.kill()
            raise errors[0]

    def stop(self) -> None:
        """End all brokers in order."""
        for server in self.servers:
            server.stop()

    def kill(self) -> None:
        """SIGKILL to all brokers."""
        for server in self.servers:
            server.kill()

    async def led_by(self, node_id: int) -> int:
        """Number of partitions that a node leads, as another node sees it; 0 when no node answers."""
        others = [each for each in self.servers if each.node_id != node_id] or self.servers
        admin: Any = AIOKafkaAdminClient(
            bootstrap_servers=",".join(each.bootstrap_servers for each in others), request_timeout_ms=ASK_TIMEOUT_MS
        )
        try:
            await admin.start()
            topics = await admin.describe_topics()
        except (KafkaError, OSError):
            return 0
        finally:
            await admin.close()
        return sum(partition["leader"] == node_id for topic in topics for partition in topic["partitions"])

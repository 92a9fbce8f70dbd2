"""Apache Kafka in KRaft mode, one node, fetched by Maven's coordinates into a cache outside the repository.

44 MB and six seconds the first time, nothing afterwards. Any Maven settings of the user apply, mirrors included.
"""

from __future__ import annotations

import base64
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from tests.servers.broker import LocalBroker, ServerFailed, free_port

#: kafka-python 3.0 declares brokers up to 4.3.
KAFKA_VERSION = "4.3.1"
JAVA_AT_LEAST = 17
#: Seconds for Maven to fetch everything on a slow line.
FETCH_TIMEOUT = 600.0

POM = f"""<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>watchkeeper</groupId>
  <artifactId>test-broker</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version></dependency>
    <!-- without a binding the broker logs nothing -->
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
# after a SIGKILL the node may register again only when its old session is over
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
# what is too old goes within a second, so that tests can see it go
log.retention.check.interval.ms=500
log.initial.task.delay.ms=500
"""


def missing() -> str | None:
    """What this machine lacks to run Apache Kafka, as a sentence; None when it lacks nothing."""
    java = shutil.which("java")
    if java is None:
        return f"there is no java on the PATH (version {JAVA_AT_LEAST} or newer)"
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=60).stderr
    found = re.search(r'version "(\d+)', told)
    if found is None or int(found[1]) < JAVA_AT_LEAST:
        return f"java is {found[1] if found else 'of unknown version'}, {JAVA_AT_LEAST} or newer is needed"
    if not _libraries().is_dir() and shutil.which("mvn") is None:
        return "there is no mvn on the PATH to fetch Apache Kafka with"
    return None


def start() -> LocalBroker:
    """A fresh broker on free ports, formatted and listening. Raises ServerFailed."""
    libraries = _fetch()
    directory = Path(tempfile.mkdtemp(prefix="watchkeeper-kafka-"))
    port, controller, data = free_port(), free_port(), directory / "data"
    properties = directory / "server.properties"
    properties.write_text(PROPERTIES.format(port=port, controller=controller, data=data))
    java = ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", f"{libraries}/*"]
    cluster = base64.urlsafe_b64encode(b"k" + uuid.uuid4().bytes[1:]).decode().rstrip("=")  # never begins with a dash
    _run([*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)], 120.0)
    broker = LocalBroker(f"Apache Kafka {KAFKA_VERSION}", [*java, "kafka.Kafka", str(properties)], port, directory, data)
    broker.start()
    return broker


def _libraries() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "watchkeeper-tests" / f"kafka-{KAFKA_VERSION}"


def _fetch() -> Path:
    """The directory with the broker's jars; fetched once, also when two runs want it at the same moment."""
    libraries = _libraries()
    libraries.parent.mkdir(parents=True, exist_ok=True)
    with (libraries.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not libraries.is_dir():
            with tempfile.TemporaryDirectory(dir=libraries.parent) as work:
                (Path(work) / "pom.xml").write_text(POM)
                jars = Path(work) / "libs"
                _run(
                    ["mvn", "-q", "-B", "-f", f"{work}/pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"],
                    FETCH_TIMEOUT,
                )
                jars.rename(libraries)  # whole or not at all: an interrupted fetch leaves nothing behind
    return libraries


def _run(command: list[str], seconds: float) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    if done.returncode:
        raise ServerFailed(
            f"{' '.join(command[:1])} ended with exit code {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        )

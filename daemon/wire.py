# ruff: noqa: ANN401 - the client ships no types: here, and only here, its objects are Any
"""The wire: the only module that imports the Kafka client, and a typed, bounded view of the few things that we use of it.

What was measured with kafka-python 3.0.12 decides the code here:
- No deserializers. An exception inside one makes the next `poll()` spin for ever; bytes are decoded by us.
- After *any* exception from `poll()` the consumer is closed and never polled again: a corrupt batch ends in the same endless
  loop. Hence `PollFailed` for all of them.
- No `pause` of partitions that are being read: an exception that waits behind good records is forgotten by it (and the loop above
  waits at `resume`), and records that were parked by it may never come back (`fetched_records` looks for them only while its slot
  is None, and a drained batch stays in that slot). `Consumer.assign` without a partition drops what was fetched, and is safe.
- `auto_offset_reset="none"`: an offset that is out of range is an error to report, never a silent jump.
- `enable_auto_commit=False`: the state store owns the offsets; the committed ones are for lag tools and prove ownership.
- `enable_idempotence=True` said explicitly, since other options switch it off silently.
- A client whose constructor fails leaves its IO thread behind (consumer and admin): `_connected` closes it.
- Rebalance callbacks run on the IO thread: `_Recorder` only records, and parks the new partitions for good. The member of the
  group reads nothing; a consumer without a group does. So bytes that cannot be read cost no rebalance.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.abstract import (
    AbstractPartitionAssignor,
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
)
from kafka.structs import OffsetAndMetadata, TopicPartition

from daemon import assignor
from daemon.connection import BrokerAway, Connection, Membership, OutOfRange, PollFailed, Refused, Unfit, WireError
from daemon.errors import CannotStart
from daemon.records import Assignment, Partition, Record

T = TypeVar("T")

#: Seconds for the first answer of a broker. Kafka's own default of 30 would leave a stopping daemon hanging.
CONNECT_TIMEOUT: Final = 5.0
#: Seconds for a single request that a person or the loop waits for.
REQUEST_TIMEOUT: Final = 15.0
#: Seconds after which new topics and partitions are noticed.
METADATA_AGE: Final = 60.0
#: Milliseconds between two attempts to reach a broker that was away: at most this, so that a comeback is seen soon.
RECONNECT_AT_MOST_MS: Final = 2000
#: Milliseconds that a broker without news holds a fetch. There is one fetch at a time for each broker: a partition that is taken
#: in again waits for so long at most.
FETCH_WAIT_MS: Final = 100
#: Bytes of a record that a topic lets through when nobody changed it (`max.message.bytes`), headers and framing included.
LARGEST_RECORD: Final = 1 << 20

_UNFIT: Final = (
    kafka_errors.MessageSizeTooLargeError,
    kafka_errors.RecordListTooLargeError,
    kafka_errors.InvalidTimestampError,
    kafka_errors.InvalidRecordError,
)


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _common(connection: Connection) -> dict[str, Any]:
    """The options that every client takes."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it says each failed attempt to connect; we say it once
    password = connection.sasl_password
    return {
        "bootstrap_servers": list(connection.bootstrap),
        "client_id": "watchkeeper",
        "bootstrap_timeout_ms": _milliseconds(CONNECT_TIMEOUT),
        "reconnect_backoff_max_ms": RECONNECT_AT_MOST_MS,
        "metadata_max_age_ms": _milliseconds(METADATA_AGE),
        "security_protocol": connection.security_protocol,
        "sasl_mechanism": connection.sasl_mechanism,
        "sasl_plain_username": connection.sasl_username,
        "sasl_plain_password": password.get_secret_value() if password is not None else None,
        "ssl_cafile": str(connection.ssl_cafile) if connection.ssl_cafile else None,
        "ssl_certfile": str(connection.ssl_certfile) if connection.ssl_certfile else None,
        "ssl_keyfile": str(connection.ssl_keyfile) if connection.ssl_keyfile else None,
    }


def _connected(kind: Callable[..., T], connection: Connection, **options: Any) -> T:
    """Make a client. Raises CannotStart on settings that can never work, else BrokerAway or Refused; leaves no thread behind."""
    with contextlib.ExitStack() as undo:

        def client(**config: Any) -> Any:
            made = KafkaConsumer.DEFAULT_CONFIG["kafka_client"](**config)
            undo.callback(made.close)
            return made

        with _mapped(f"connect to {', '.join(connection.bootstrap)}"):
            connected = kind(**_common(connection), kafka_client=client, **options)
        undo.pop_all()
        return connected


@contextlib.contextmanager
def _mapped(what: str) -> Iterator[None]:
    """Turn the client's exceptions into ours. `what` completes "could not ..."."""
    try:
        yield
    except kafka_errors.KafkaConfigurationError as error:
        raise CannotStart(f"could not {what}: {error}; look at the group `kafka` of the settings") from error
    except _UNFIT as error:
        raise Unfit(f"could not {what}: {error}") from error
    except (kafka_errors.RetriableError, kafka_errors.BrokerNotAvailableError, OSError) as error:
        raise BrokerAway(f"could not {what}: {error}") from error
    except (kafka_errors.KafkaError, ValueError, TypeError, AssertionError, RuntimeError) as error:
        raise Refused(f"could not {what}: {error}") from error


class Consumer:
    """One consumer of partitions that it was told to read. Not thread-safe."""

    def __init__(self, connection: Connection, *, check_crcs: bool = True, **options: Any) -> None:
        """`check_crcs=False` reads damaged records too."""
        self._kafka: Any = _connected(
            KafkaConsumer,
            connection,
            auto_offset_reset="none",
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            check_crcs=check_crcs,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            metrics_enabled=False,
            **options,
        )

    def assign(self, offsets: Mapping[Partition, int], others: Iterable[Partition] = ()) -> None:
        """Read these partitions from these offsets on, outside of any group, and `others` where they are; nothing else."""
        self._kafka.assign([TopicPartition(*partition) for partition in (*offsets, *others)])
        for partition, offset in offsets.items():
            self.seek(partition, offset)

    def poll(self, timeout: float, limit: int | None = None) -> dict[Partition, list[Record]]:
        """Up to `limit` records, waiting up to `timeout` seconds for the first. Raises OutOfRange, PollFailed: close it then."""
        try:
            batches = self._kafka.poll(timeout_ms=_milliseconds(timeout), max_records=limit)
        except kafka_errors.OffsetOutOfRangeError as error:
            raise OutOfRange(error.args[0]) from error
        except Exception as error:  # it decodes foreign bytes: anything can come out, and all of it means "rebuild"
            raise _poll_failed(error) from error
        return cast("dict[Partition, list[Record]]", batches)

    def seek(self, partition: Partition, offset: int) -> None:
        """Continue there."""
        self._kafka.seek(TopicPartition(*partition), offset)

    def position(self, partition: Partition) -> int | None:
        """The next offset to read; past what holds no records (the markers of transactions) too. None when unknown."""
        with _mapped(f"tell the position in {partition}"):
            return cast("int | None", self._kafka.position(TopicPartition(*partition), timeout_ms=0))

    def highwater(self, partition: Partition) -> int | None:
        """The offset after the last record as of the latest answer; None before the first answer."""
        return cast("int | None", self._kafka.highwater(TopicPartition(*partition)))

    def beginning_offsets(self, partitions: Iterable[Partition], timeout: float = REQUEST_TIMEOUT) -> dict[Partition, int]:
        """The first offset that the broker still has of each. Raises BrokerAway, Refused."""
        return self._ask(self._kafka.beginning_offsets, partitions, timeout)

    def end_offsets(self, partitions: Iterable[Partition], timeout: float = REQUEST_TIMEOUT) -> dict[Partition, int]:
        """The offset after the last record of each (the embedded broker tells its last batch's first). Raises as above."""
        return self._ask(self._kafka.end_offsets, partitions, timeout)

    def offsets_since(self, partitions: Iterable[Partition], since_ms: int) -> dict[Partition, Any]:
        """The first `offset` of each from epoch milliseconds on, None without one (the embedded broker: 0). Raises as above."""
        lookup = self._kafka.offsets_for_times
        return self._ask(lambda each, timeout_ms: lookup(dict.fromkeys(each, since_ms), timeout_ms), partitions, REQUEST_TIMEOUT)

    def _ask(self, question: Any, partitions: Iterable[Partition], timeout: float) -> dict[Partition, Any]:
        with _mapped("ask for offsets"):
            return dict(question([TopicPartition(*each) for each in partitions], timeout_ms=_milliseconds(timeout)))

    def close(self, timeout: float = 2.0) -> None:
        """Leave, within `timeout` seconds, committing nothing. Safe after any exception."""
        with contextlib.suppress(WireError), _mapped("leave the group"):
            self._kafka.close(autocommit=False, timeout_ms=_milliseconds(timeout))


def _poll_failed(error: Exception) -> PollFailed:
    """Say whether the bytes or the way to them are to blame. What the client does not foresee came out of its decoder."""
    way = (
        kafka_errors.RetriableError,
        kafka_errors.AuthorizationError,
        kafka_errors.CommitFailedError,
        kafka_errors.IllegalStateError,
        kafka_errors.NoOffsetForPartitionError,
        OSError,
    )
    group = isinstance(error, kafka_errors.BrokerResponseError) and not isinstance(
        error, (kafka_errors.CorruptRecordError, kafka_errors.UnknownError)
    )
    base = re.search(r"at offset (\d+)", str(error)) if isinstance(error, kafka_errors.CorruptRecordError) else None
    return PollFailed(
        f"{type(error).__name__}: {error}",
        unreadable=not group and not isinstance(error, way),
        base=int(base[1]) if base else None,
    )


class Member(Consumer):
    """A member of the group: learns from `poll` what it owns, commits, and reads nothing itself."""

    def __init__(self, settings: Membership, topics: Sequence[str]) -> None:
        """Connect; `poll` joins. Raises BrokerAway, Refused."""
        admin = Admin(settings)
        try:
            there = sorted(admin.partitions(topics))
        finally:
            admin.close()
        told = EverythingToOne()
        super().__init__(
            settings,
            group_id=settings.group,
            session_timeout_ms=_milliseconds(settings.session_timeout),
            heartbeat_interval_ms=_milliseconds(settings.heartbeat_interval),
            partition_assignment_strategy=[told],
        )
        self._recorder = _Recorder(self._kafka, told)
        self._kafka.subscribe(topics=list(topics), listener=self._recorder)
        try:
            # Know the topics before joining. Metadata that comes later makes the leader join again, and a `poll` that times
            # out in that join just after it has made the assignment forgets to take it, and its heartbeat stays off.
            self.beginning_offsets([(topic, 0) for topic in there], CONNECT_TIMEOUT)
        except WireError:
            self.close()
            raise

    def assignment(self) -> Assignment | None:
        """What was given last, unless it was taken again or the group has moved on."""
        given = self._recorder.given
        if given is None or given.generation != self._kafka.group_metadata().generation_id:
            return None
        return given

    def is_settled(self) -> bool:
        """Whether the group is between rebalances: a member that owns nothing then is a standby."""
        return bool(self._kafka.group_metadata().state == "<stable>")

    def commit(self, offsets: Mapping[Partition, int], timeout: float = CONNECT_TIMEOUT) -> bool:
        """Commit under the current generation; False when the group has moved on without us. Raises BrokerAway, Refused."""
        plain = {TopicPartition(*partition): OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}
        fenced = (
            kafka_errors.CommitFailedError,
            kafka_errors.RebalanceInProgressError,
            kafka_errors.IllegalGenerationError,
            kafka_errors.UnknownMemberIdError,
            kafka_errors.FencedInstanceIdError,
        )
        with _mapped("commit offsets"):
            try:
                self._kafka.commit(plain, timeout_ms=_milliseconds(timeout))
            except fenced:
                return False
        return True


class _Recorder(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka has no types
    """Runs on the IO thread while the caller is inside `poll` or `close`: it blocks nothing and decides nothing."""

    def __init__(self, consumer: Any, told: EverythingToOne) -> None:
        self.given: Assignment | None = None
        self._consumer = consumer
        self._told = told

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:  # noqa: ARG002 - a name that the client calls
        """Also called with nothing, on the first join. Nothing is committed here: the store owns the offsets."""
        self.given = None

    on_partitions_lost = on_partitions_revoked

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Note and park what was given."""
        partitions = sorted((topic, number) for topic, number in assigned)
        for topic, number in partitions:
            # Without a position the client would look for the committed offset and begin there, in this very poll.
            self._consumer.pause(TopicPartition(topic, number))
            self._consumer.seek(TopicPartition(topic, number), 0)
        self.given = Assignment(self._told.generation, tuple(partitions)) if partitions else None


class EverythingToOne(AbstractPartitionAssignor):  # type: ignore[misc]  # kafka has no types
    """The policy of `daemon.assignor` in the form that the client wants. Runs on the IO thread."""

    name = "watchkeeper-everything-to-one"

    def __init__(self) -> None:
        self.generation = assignor.NEVER
        self._owned_in = assignor.NEVER

    def metadata(self, topics: Iterable[str]) -> Any:
        """What this member tells the leader when it joins."""
        return ConsumerProtocolSubscription(version=0, topics=sorted(topics), user_data=assignor.claim(self._owned_in))

    def on_assignment(self, assignment: Any, generation: int) -> None:
        """What this member was given."""
        self.generation = generation
        self._owned_in = generation if assignment.partitions() else assignor.NEVER

    def assign(self, cluster: Any, members: Sequence[Any]) -> dict[str, Any]:
        """As the group's leader: who gets what."""
        owner = assignor.owner({member.member_id: member.metadata.user_data for member in members})
        topics = next(member.metadata.topics for member in members if member.member_id == owner)
        known = {topic: cluster.partitions_for_topic(topic) for topic in sorted(topics)}
        everything = [(topic, sorted(partitions)) for topic, partitions in known.items() if partitions]
        return {
            member.member_id: ConsumerProtocolAssignment(
                version=0, assigned_partitions=everything if member.member_id == owner else [], user_data=b""
            )
            for member in members
        }


class Producer:
    """A producer whose every record is accounted for: what `send` returns must be given to `settle`. Not thread-safe."""

    def __init__(
        self, connection: Connection, *, max_block: float, delivery_timeout: float, largest: int = LARGEST_RECORD
    ) -> None:
        """Connect; `max_block`: seconds that `send` may wait for the topic, `delivery_timeout`: until a record has failed.

        `largest`: bytes of a record that is sent at all; a topic may let less through.
        """
        self._kafka: Any = _connected(
            KafkaProducer,
            connection,
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            linger_ms=5,
            max_request_size=largest,
            request_timeout_ms=_milliseconds(min(REQUEST_TIMEOUT, delivery_timeout / 2)),
            delivery_timeout_ms=_milliseconds(delivery_timeout),
            max_block_ms=_milliseconds(max_block),
        )

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]], timestamp: int | None
    ) -> object:
        """Buffer one record; `timestamp` in epoch milliseconds. Raises Unfit, BrokerAway, Refused."""
        with _mapped(f"send to topic {topic}"):
            return cast("object", self._kafka.send(topic, value, key, list(headers), timestamp_ms=timestamp))

    def flush(self, timeout: float) -> None:
        """Wait until all that was sent is either acknowledged or failed. Raises BrokerAway."""
        with _mapped("deliver everything"):
            self._kafka.flush(timeout)

    def settle(self, sent: object) -> None:
        """Raise what became of one record, after `flush`: Unfit, BrokerAway, Refused; nothing when it was acknowledged."""
        with _mapped("deliver a record"):
            cast("Any", sent).get(timeout=0)

    def close(self, timeout: float = 2.0) -> None:
        """End within `timeout` seconds; what is not delivered by then is not delivered. Safe after any exception."""
        with contextlib.suppress(WireError), _mapped("end the producer"):
            self._kafka.close(timeout=timeout)


class Admin:
    """Looks at topics and makes them."""

    def __init__(self, connection: Connection) -> None:
        self._kafka: Any = _connected(KafkaAdminClient, connection, request_timeout_ms=_milliseconds(REQUEST_TIMEOUT))

    def partitions(self, topics: Sequence[str]) -> dict[str, list[int]]:
        """The partitions of each of the topics that exists. Raises BrokerAway, Refused."""
        with _mapped("look at the topics"):
            described = self._kafka.describe_topics(list(topics))
        return {
            each["name"]: sorted(partition["partition_index"] for partition in each["partitions"])
            for each in described
            if not each["error_code"]
        }

    def create(self, topic: str, partitions: int, config: Mapping[str, str]) -> None:
        """Make a topic, replicated as the cluster does by default; nothing if it exists. Raises BrokerAway, Refused."""
        wanted = {topic: {"num_partitions": partitions, "replication_factor": -1, "configs": dict(config)}}
        with _mapped(f"create topic {topic}"), contextlib.suppress(kafka_errors.TopicAlreadyExistsError):
            self._kafka.create_topics(wanted, timeout_ms=_milliseconds(REQUEST_TIMEOUT), wait_for_metadata=True)

    def config(self, topic: str) -> dict[str, str]:
        """The settings of a topic, defaults included; {} where the broker does not tell. Raises BrokerAway, Refused."""
        with _mapped(f"look at the settings of topic {topic}"):
            told = self._kafka.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
        return {name: each["value"] for name, each in told.get("topic", {}).get(topic, {}).items()}

    def close(self) -> None:
        """End the connection."""
        self._kafka.close()

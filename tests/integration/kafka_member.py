"""A member of the group as a process of its own, for tests that kill and stop it: it says in JSON lines what changes for it.

Usage: python -m tests.integration.kafka_member BOOTSTRAP GROUP TOPIC
"""

from __future__ import annotations

import json
import signal
import sys

from daemon.source import KafkaSource
from tests.integration.kafka_kit import KafkaSettings


def main(bootstrap: str, group: str, topic: str) -> None:
    """Own, commit and say so, until SIGTERM."""
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    source = KafkaSource(KafkaSettings((bootstrap,), group), [topic])
    said: dict[str, object] = {}
    begun = None
    while not ended:
        source.poll(0.1)
        assignment = source.assignment()
        if assignment is not None and assignment != begun:
            begun = assignment
            source.seek({})
        # A commit is tried in the belief of the moment, as the daemon's checkpoint does it.
        accepted = source.commit(source.offsets()) if assignment is not None else None
        now: dict[str, object] = {
            "generation": assignment.generation if assignment is not None else None,
            "accepted": accepted,
            "standby": source.is_standby(),
        }
        if now != said:
            sys.stdout.write(json.dumps(now) + "\n")
            sys.stdout.flush()
            said = now
    source.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The demo's model server, a process of its own: it predicts, publishes, and obeys. It knows nothing of the daemon.

    python -m daemon.demo.serving --bootstrap 127.0.0.1:9092 --rate 250

A line `deploy 8` on its standard input is how somebody deploys version 8; the end of its input is its own end, so that it
cannot outlive whoever started it. Rollbacks come from the commands topic, as they would in production.
"""

from __future__ import annotations

import argparse
import queue
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

import structlog

from daemon import logs
from daemon.connection import WireError
from daemon.demo.config import COMMANDS, LABELS, PREDICTIONS, Loopback
from daemon.demo.market import load
from daemon.demo.models import GOOD, VERSIONS, train
from daemon.demo.traffic import MODEL, SEED, Deployment, LateLabels, cases, prediction
from daemon.errors import CANNOT_START, OK
from daemon.wire import Consumer, Producer

log = structlog.get_logger()

#: Predictions a second.
RATE: Final = 250.0
#: Seconds between two lots of events, which is also how long a command waits at most.
TURN: Final = 0.04
#: Seconds of traffic that are made up after a pause of the machine; what is missed beyond is never predicted.
CATCH_UP: Final = 1.0
#: Seconds that a broker may take to acknowledge a lot.
PATIENCE: Final = 20.0


class Server:
    """Publishes `rate` predictions a second and their labels, and follows orders."""

    def __init__(self, bootstrap: str, rate: float, seed: int) -> None:
        market = load()
        self._deployment = Deployment({version: train(market, late) for version, late in VERSIONS.items()}, GOOD)
        self._cases = cases(market, seed)
        self._labels = LateLabels()
        self._rate = rate
        connection = Loopback((bootstrap,))
        self._producer = Producer(connection, max_block=PATIENCE, delivery_timeout=PATIENCE)
        self._commands = Consumer(connection)
        self._commands.assign({(COMMANDS, 0): 0})
        self._served_until = time.time()

    def turn(self) -> None:
        """Publish what is due, then wait for a command until the next turn."""
        now = time.time()
        self._served_until = max(self._served_until, now - CATCH_UP)
        sent = []
        while self._served_until <= now:
            self._served_until += 1.0 / self._rate
            case = next(self._cases)
            sent.append(self._publish(PREDICTIONS, prediction(case, self._deployment, now), now))
            self._labels.expect(case, now)
        sent += [self._publish(LABELS, label, now) for label in self._labels.due(now)]
        self._producer.flush(PATIENCE)
        for each in sent:
            self._producer.settle(each)
        for records in self._commands.poll(TURN).values():
            for record in records:
                log.info("command_read", outcome=self._deployment.obey(record.value))

    def deploy(self, order: str) -> None:
        """Carry out a line of the standard input."""
        word, _, version = order.strip().partition(" ")
        if word == "deploy" and self._deployment.deploy(version):
            log.info("version_deployed", version=version)
        else:
            log.warning("order_not_understood", order=order.strip())

    def close(self) -> None:
        """Leave the broker."""
        self._commands.close()
        self._producer.close()

    def _publish(self, topic: str, value: bytes, now: float) -> object:
        return self._producer.send(topic, MODEL.encode(), value, (), round(now * 1000))


def _listen(orders: queue.SimpleQueue[str], stop: threading.Event) -> None:
    """Pass lines of the standard input on, until it ends."""
    for line in sys.stdin:
        orders.put(line)
    stop.set()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m daemon.demo.serving", description="The demo's model server.")
    parser.add_argument("--bootstrap", required=True, metavar="HOST:PORT", help="a Kafka broker")
    parser.add_argument("--rate", type=float, default=RATE, help="predictions a second (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="of the rows and the delays (default: %(default)s)")
    asked = parser.parse_args(arguments)
    logs.configure("json")
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=_listen, args=(orders, stop), name="orders", daemon=True).start()
    try:
        server = Server(asked.bootstrap, asked.rate, asked.seed)
        log.info("serving", version=GOOD, per_second=asked.rate)
        while not stop.is_set():
            while not orders.empty():
                server.deploy(orders.get())
            server.turn()
        server.close()
    except WireError as error:
        log.critical("broker_gone", reason=str(error))
        return CANNOT_START
    return OK


if __name__ == "__main__":
    sys.exit(main())

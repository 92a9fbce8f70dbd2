"""`make bench`: events per second of the daemon beside a bare loop and a user's script, in one run on one broker.

Machines are noisy, so what counts are the ratios of one run; nothing here asserts anything. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from daemon.backtest import Backtest
from daemon.guardrails import load
from tests import servers
from tests.benchmarks import detectors as detector_costs
from tests.benchmarks import rules as rule_costs
from tests.benchmarks.broker_tools import make_topics, produce, read_bare
from tests.benchmarks.output import say
from tests.servers.broker import free_port

FEATURES: Final = 20
#: Of the events; the rate is taken until they are read.
LARGE_PART: Final = 0.95
#: Seconds between two looks at the daemon's metrics.
SCRAPE_EVERY: Final = 0.2
GUARDRAIL: Final = """
guardrails: v1
model: bench
version: 1
owner: bench
runbook: https://wiki.example/bench
task: binary
positive: "1"
labels: {expected_within: 60s}
"""


def events(count: int, start: float, *, labelled: bool) -> Iterator[tuple[str, bytes, float]]:
    """Give (type, value, arrival) of `count` predictions, 100 a second, each with its label 5 s later where `labelled`."""
    chance = random.Random(1)
    names = [f"feature_{number}" for number in range(FEATURES)]
    waiting: list[tuple[str, bytes, float]] = []
    for number in range(count):
        at = start + number / 100
        if labelled and number >= 500:  # 5 s of predictions
            yield waiting[number - 500]
        features = {name: round(chance.gauss(0.0, 1.0), 6) for name in names} if labelled else {}
        answer = chance.random() < 0.5
        wrong = chance.random() < 0.15
        prediction = {
            "id": f"request-{number:09d}", "model": "bench", "version": "7", "ts": at,
            "prediction": str(int(answer ^ wrong)), "score": round(chance.random(), 6), "features": features,
        }  # fmt: skip
        yield "prediction", json.dumps(prediction).encode(), at
        if labelled:
            label = {"id": prediction["id"], "model": "bench", "label": str(int(answer)), "ts": at + 5}
            waiting.append(("label", json.dumps(label).encode(), at + 5))
    if labelled:
        yield from waiting[-500:]


def settings(directory: Path, bootstrap: str, prefix: str) -> tuple[Path, str]:
    """Write a settings file for topics with this prefix; gives it and the address of the endpoints."""
    (directory / "guardrails").mkdir(parents=True)
    (directory / "guardrails" / "bench.yaml").write_text(GUARDRAIL)
    port = free_port()
    path = directory / "settings.yaml"
    path.write_text(
        json.dumps(
            {
                "kafka": {
                    "bootstrap": [bootstrap],
                    "group": f"watchkeeper-{prefix}",
                    "create_topics": True,
                    "session_timeout": "6s",
                    "heartbeat_interval": "1s",
                    "topics": {
                        name: f"{prefix}-{name}"
                        for name in ("predictions", "labels", "outcomes", "dead_letters", "commands", "incidents")
                    },
                },
                "guardrails": str(directory / "guardrails"),
                "state": str(directory / "state"),
                "http": {"port": port},
            }
        )
    )
    return path, f"http://127.0.0.1:{port}"


def metrics(address: str) -> dict[str, float]:
    """Give the daemon's metrics, by their full names; {} while it does not answer."""
    try:
        with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:  # noqa: S310  # our own process
            lines = answer.read().decode().splitlines()
    except OSError:
        return {}
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


def run_daemon(directory: Path, bootstrap: str, prefix: str, wanted: int) -> tuple[float, int]:
    """Let the daemon read everything; gives its events per second and its peak memory in bytes.

    The rate is taken until 95 % are read: at the end of the predictions it waits for a quiet partition on purpose
    (`kafka.idle_after`), which says nothing about its speed.
    """
    path, address = settings(directory, bootstrap, prefix)
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "daemon", "run", "--settings", str(path)], stdout=log, stderr=log)
    try:
        seen = _seen(process, address, directory, 1)
        began, first = time.perf_counter(), seen
        seen = _seen(process, address, directory, LARGE_PART * wanted)
        rate = (seen - first) / (time.perf_counter() - began)
        _seen(process, address, directory, wanted)
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
        return rate, peak
    finally:
        process.terminate()
        process.wait(30)


def _seen(process: subprocess.Popen[bytes], address: str, directory: Path, wanted: float) -> float:
    """Wait until the daemon has read so many events, and give how many it has."""
    deadline = time.monotonic() + 600
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the daemon did not read everything; see {directory / 'log'}")
        seen = sum(value for name, value in metrics(address).items() if name.startswith("watchkeeper_events_total"))
        if seen >= wanted:
            return seen
        time.sleep(SCRAPE_EVERY)  # each scrape takes time from the daemon


def compare(count: int, directory: Path, broker: servers.Broker) -> None:
    """Print events per second, and the ratios that count."""
    stream = list(events(count, time.time() - count / 100 - 600, labelled=True))
    topics = {"prediction": "speed-predictions", "label": "speed-labels"}
    make_topics(broker.bootstrap, "speed")
    produce(broker.bootstrap, ((topics[kind], value, at) for kind, value, at in stream))
    size = sum(len(value) for _, value, _ in stream) / len(stream)
    say(f"{len(stream):,} events of {size:.0f} bytes on average, {FEATURES} features, labels after 5 s, {broker.name}")
    rates: dict[str, float] = {}
    rates["bare poll()"] = len(stream) / read_bare(broker.bootstrap, list(topics.values()), len(stream))
    script = [
        sys.executable,
        "-m",
        "tests.benchmarks.user_script",
        broker.bootstrap,
        *topics.values(),
        str(len(stream)),
        str(free_port()),
    ]
    rates["user's script"] = len(stream) / float(subprocess.run(script, check=True, capture_output=True, text=True).stdout)
    rates["daemon"], peak = run_daemon(directory / "speed", broker.bootstrap, "speed", len(stream))
    (directory / "bench.yaml").write_text(GUARDRAIL)
    lines = [json.dumps({"type": kind, "at": at} | json.loads(value)).encode() for kind, value, at in stream]
    backtest, began = Backtest(load(directory / "bench.yaml")), time.perf_counter()
    backtest.run(lines)
    rates["backtest"] = len(stream) / (time.perf_counter() - began)
    for name, rate in rates.items():
        of_script, of_bare = rate / rates["user's script"], rate / rates["bare poll()"]
        say(f"  {name:14} {rate:>10,.0f} events/s   {of_script:5.2f} of the script   {of_bare:5.2f} of the bare loop")
    say(f"  daemon's peak memory: {peak / 2**20:.0f} MiB")


def memory(count: int, directory: Path, broker: servers.Broker) -> None:
    """Print the daemon's peak memory with so many predictions that wait for a label."""
    make_topics(broker.bootstrap, "memory")
    produce(
        broker.bootstrap,
        (("memory-predictions", value, at) for _, value, at in events(count, time.time() - count / 100 - 600, labelled=False)),
    )
    rate, peak = run_daemon(directory / "memory", broker.bootstrap, "memory", count)
    say(f"{count:,} predictions without a label: peak memory {peak / 2**20:.0f} MiB, {rate:,.0f} events/s")


def main() -> None:
    """Run everything, or the part that is named."""
    parser = argparse.ArgumentParser(prog="make bench", description="Speed and memory, as ratios in one run.")
    parser.add_argument("--events", type=int, default=150_000, help="predictions to compare with (each has a label too)")
    parser.add_argument("--pending", type=int, default=1_000_000, help="pending predictions of the memory run; 0 leaves it out")
    chosen = parser.parse_args()
    say(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    detector_costs.report()
    rule_costs.report()
    broker = servers.choose()
    try:
        with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as directory:
            compare(chosen.events, Path(directory), broker)
            if chosen.pending:
                memory(chosen.pending, Path(directory), broker)
    finally:
        broker.close()


if __name__ == "__main__":
    main()

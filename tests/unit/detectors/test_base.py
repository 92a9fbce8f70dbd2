"""Pickles of River's objects: whose they are, and what they may not do."""

from __future__ import annotations

import os
import pickle
import zlib
from collections import deque
from importlib.metadata import version

import pytest
from river import metrics, stats, utils
from river.base import DriftDetector
from river.compose import FuncTransformer
from river.drift import ADWIN, KSWIN, NoDrift, PageHinkley
from river.drift.binary import DDM, EDDM, FHDDM, HDDMA, HDDMW

from detectors.base import checked, dumps, loads

RIVER = [ADWIN(), KSWIN(seed=1), PageHinkley(), NoDrift(), DDM(), EDDM(), FHDDM(), HDDMA(), HDDMW()]


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self.call


def written(obj: object, by: str | None = None) -> bytes:
    """What `dumps` would write, by any version of River."""
    pickled = pickle.dumps(obj)
    return (by or version("river")).encode() + b"\n" + zlib.crc32(pickled).to_bytes(4) + pickled


@pytest.mark.parametrize("detector", RIVER, ids=str)
def test_rivers_detectors_come_back_as_they_were(detector: DriftDetector) -> None:
    """In the middle of a stream, and go on alike."""
    for i in range(500):
        detector.update(int(i % 7 == 0))
    again = loads(dumps(detector))
    for i in range(500):
        detector.update(int(i % 3 == 0))
        again.update(int(i % 3 == 0))

        assert again.drift_detected == detector.drift_detected
    assert pickle.dumps(again) == pickle.dumps(detector)


def test_statistics_and_containers_come_back_too() -> None:
    """River's statistics and plain containers of them."""
    quantile, mean = stats.Quantile(0.9), stats.Mean()
    rolling = utils.Rolling(stats.Mean, window_size=3)
    for x in range(10):
        quantile.update(x)
        mean.update(x)
        rolling.update(x)
    again = loads(dumps({"q": quantile, "m": [mean, rolling], "d": deque([1, 2])}))

    assert again["q"].get() == quantile.get()
    assert again["m"][0].get() == 4.5
    assert again["m"][1].get() == 8.0
    assert again["d"] == deque([1, 2])


def test_another_version_of_river_starts_over() -> None:
    """Its pickle is not even opened."""
    assert loads(written(Evil(os.system, "exit 1"), by="0.25.0")) is None
    assert loads(written(ADWIN(), by="0.27.0")) is None


@pytest.mark.parametrize(
    "obj",
    [
        Evil(os.system, "exit 1"),
        Evil(eval, "1 + 1"),
        Evil(getattr, ADWIN, "clone"),
        Evil(getattr, PageHinkley(), "__class__"),
        Evil(getattr, "text", "_test_both"),
        Evil(open, "/dev/null"),
        Evil(__import__, "os"),
        Evil(pickle.loads, b""),
        FuncTransformer(dict),
        metrics.base.Metric.__init__,
        stats.base.Statistic.__repr__,
    ],
    ids=str,
)
def test_a_pickle_that_wants_more_than_rivers_classes_is_refused(obj: object) -> None:
    """By name, before anything of it runs."""
    with pytest.raises(ValueError, match="is not admitted"):
        loads(written(obj))


def test_a_damaged_pickle_is_refused_before_it_is_read() -> None:
    """River's Rust parts would panic, and a panic is no exception that a program may catch."""
    data = dumps(ADWIN())
    for i in range(len(version("river")) + 1, len(data), 7):
        with pytest.raises(ValueError, match="damaged"):
            loads(data[:i] + bytes([data[i] ^ 0x55]) + data[i + 1 :])
    with pytest.raises(ValueError, match="damaged"):
        loads(data[:-1])


def test_what_is_no_pickle_is_refused() -> None:
    """With one sentence, whatever the bytes say."""
    river = version("river").encode() + b"\n"
    for junk in (b"", b"\x80", b"cos\nsystem\n", b"\x80\x05."):
        with pytest.raises(ValueError, match="cannot be read"):
            loads(river + zlib.crc32(junk).to_bytes(4) + junk)

    assert loads(b"") is None


def test_a_state_of_another_version_is_refused_by_name() -> None:
    """Also one that has no version."""
    assert checked({"v": 1, "x": 2}, "thing", 1) == {"v": 1, "x": 2}
    with pytest.raises(ValueError, match="state of this thing has version None; this release reads version 1"):
        checked({"x": 2}, "thing", 1)

"""The corpus itself: its streams are what they say, its scorer counts right, and some streams get their right answer."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pytest

from daemon.guardrails import Guardrail
from daemon.replay import parse_line
from tests.corpus.baselines import BASELINES
from tests.corpus.effects import Effect
from tests.corpus.faults import Fault
from tests.corpus.made import WORLDS
from tests.corpus.results import DAEMON, Page, Result, load, save
from tests.corpus.runs import keys_of_faults, keys_of_rollbacks, run, run_all, stream_of
from tests.corpus.score import GRACE, Share, judge, rollbacks, score
from tests.corpus.streams import Key
from tests.corpus.table import FAULTS, ROLLBACKS
from tests.corpus.tables import markdown, misses, tables
from tests.corpus.truth import growth, true_losses

EVERY = (*FAULTS, *(fault for fault, _ in ROLLBACKS))

# --- the table ----------------------------------------------------------------------------------------------------------------


def test_the_table_is_as_large_as_promised() -> None:
    """At least 26 kinds, a third of them without a page, 200 streams without a rollback, and no name twice."""
    names = [fault.name for fault in EVERY]

    assert len(FAULTS) >= 26
    assert sum(fault.quiet for fault in FAULTS) * 3 >= len(FAULTS)
    assert len(keys_of_rollbacks()) == 200
    assert len(names) == len(set(names))


@pytest.mark.parametrize("fault", EVERY, ids=lambda fault: fault.name)
def test_every_row_says_what_is_right(fault: Fault) -> None:
    """A page has a cause, a rollback is right for a new version alone, and the watched version predicts during the fault."""
    versions = {arm.version for phase in fault.phases if not phase.healthy for arm in phase.arms}

    assert bool(fault.causes) != fault.quiet
    assert not fault.rollback or fault.causes == ("new_version",)
    assert fault.watched in versions
    assert fault.what
    assert fault.said_by


@pytest.mark.parametrize("key", keys_of_faults(seeds=[1]), ids=str)
def test_every_row_fits_its_worlds(key: Key) -> None:
    """Its guardrail file is valid, and its roles are there; both are cheap to look at, so that all are looked at."""
    world = WORLDS[key.world]
    fault = next(fault for fault in FAULTS if fault.name == key.fault)
    effects: list[Effect] = [*fault.always, *(effect for phase in fault.phases for effect in phase.effects)]
    roles = [role for effect in effects if isinstance(role := getattr(effect, "role", None), str)]

    assert Guardrail.model_validate(world.guardrail(**fault.guardrail)).model == key.world
    assert [role for role in [*roles, *([fault.columns] if fault.columns else [])] if role not in world.roles] == []


# --- the streams --------------------------------------------------------------------------------------------------------------


def digest(key: Key) -> str:
    """What a stream's bytes come to."""
    return hashlib.sha256(b"\n".join(stream_of(key).lines)).hexdigest()


@pytest.mark.parametrize("world", list(WORLDS))
def test_the_same_seed_gives_the_same_bytes(world: str) -> None:
    """And another seed others."""
    first = digest(Key(world, "concept", 4))

    assert digest(Key(world, "concept", 4)) == first
    assert digest(Key(world, "concept", 5)) != first


@pytest.mark.parametrize("fault", EVERY, ids=lambda fault: fault.name)
def test_every_fault_makes_events_that_the_daemon_reads(fault: Fault) -> None:
    """Every hundredth line parses, arrivals never go back, and the fault begins after the settling."""
    stream = stream_of(Key(fault.worlds[-1], fault.name, 1))
    events = [parse_line(line, None) for line in stream.lines[::100]]
    arrivals = [json.loads(line)["at"] for line in stream.lines]
    before = np.sum(stream.served.at <= stream.start + 1e-3)

    assert {event.model for event in events} == {stream.key.world}
    assert arrivals == sorted(arrivals)
    assert before == fault.settle + sum(phase.n for phase in fault.phases if phase.healthy and phase is fault.phases[0])


def test_half_of_the_faults_end() -> None:
    """For even seeds the fault lasts as long as the stream."""
    ends = [stream_of(Key("sea", "concept", seed)).end for seed in range(4)]

    assert [math.isinf(end) for end in ends] == [True, False, True, False]


@pytest.mark.parametrize("world", list(WORLDS))
def test_a_good_retrain_is_as_good_and_a_bad_one_is_not(world: str) -> None:
    """By the truth of the generator: within a tenth of a tolerance of a quarter, and beyond it at full strength."""
    rows = WORLDS[world].draw(np.random.default_rng(7), 40_000)
    good, fresh, bad = (
        WORLDS[world].losses(WORLDS[world].model(kind, 2).predict(rows.x), rows.y).mean() for kind in ("good", "fresh", "bad")
    )

    assert abs(fresh - good) < 0.1 * good
    assert bad > 1.25 * good


# --- what is true -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "limit"), [(0.2, 0.1), (0.4, 0.25), (0.011, 0.01), (0.99, 0.5)])
def test_the_growth_of_a_bet_on_errors_is_the_divergence(p: float, limit: float) -> None:
    """KL(p, limit) of two Bernoulli distributions, exactly."""
    losses = np.repeat([1.0, 0.0], [round(1_000 * p), round(1_000 * (1 - p))])

    assert growth(losses, limit) == pytest.approx(p * math.log(p / limit) + (1 - p) * math.log((1 - p) / (1 - limit)), rel=1e-5)


def test_what_is_under_its_limit_cannot_be_detected() -> None:
    """No bet grows."""
    assert growth(np.array([0.0, 0.2, 0.1]), 0.11) == 0.0


def test_flipped_labels_turn_the_true_loss_round() -> None:
    """The error rate becomes one less itself."""
    flip, none = (next(fault for fault in FAULTS if fault.name == name) for name in ("labels_flipped", "events_twice"))
    flipped, usual = (true_losses(fault, WORLDS["sea"], 0).mean() for fault in (flip, none))

    assert flipped == pytest.approx(1.0 - usual, abs=0.01)


# --- the scorer ---------------------------------------------------------------------------------------------------------------

START = 1_000_000.0
END = START + 100_000.0


def page(opened: float, cause: str = "concept", resolved: float | None = None, **more: Any) -> Page:  # noqa: ANN401 - any field
    """A page so many seconds after the fault began."""
    return Page(START + opened, None if resolved is None else START + resolved, labels=max(0, int(opened)), cause=cause, **more)


def result(
    fault: str,
    *pages: Page,
    mean: float = 0.4,
    end: float | None = END,
    needed: float | None = 100.0,
    tickets: Sequence[Page] = (),
) -> Result:
    """A stream of the world `loans`, of 1,000 labels and a limit of 0.2."""
    told = {DAEMON: list(pages), **{name: [] for name in BASELINES}}
    return Result("loans", fault, 5, 0, START, end, mean, 0.2, 1_000, needed, told, list(tickets), 10, 0.1)


def test_the_first_page_is_the_detection_and_the_others_are_repetitions() -> None:
    """Whatever their order in the record."""
    judged = judge(result("concept", page(900), page(500), page(700)))

    assert judged.first == page(500)
    assert judged.again == (page(700), page(900))
    assert judged.false == ()


def test_a_fault_that_comes_back_may_wake_again() -> None:
    """Once the first page was resolved, and not before."""
    first, early, late = page(100, resolved=1_000.0), page(900), page(2_000)

    assert judge(result("oscillating", first, late)).again == ()
    assert judge(result("oscillating", first, early)).again == (early,)
    assert judge(result("concept", first, late)).again == (late,)


def test_a_page_before_the_fault_or_long_after_it_is_false() -> None:
    """And does not find it; one on the heels of the end does."""
    early, late, heels = page(-1.0), page(100_001.0 + GRACE), page(99_999.0 + GRACE)

    assert judge(result("concept", early, late)).missed
    assert judge(result("concept", early, late)).false == (early, late)
    assert judge(result("concept", heels)).found


def test_a_page_about_a_fault_that_does_no_harm_is_false() -> None:
    """The same page, with a true mean on either side of the limit."""
    assert judge(result("concept", page(500), mean=0.21)).found
    assert judge(result("concept", page(500), mean=0.19)).false == (page(500),)


def test_a_fault_that_nobody_could_have_seen_is_no_miss() -> None:
    """It is harmful, and a page is no mistake; but there are too few labels."""
    judged = judge(result("concept", needed=1_001.0))

    assert judged.result.harmful
    assert not judged.result.detectable
    assert not judged.missed
    assert score([judged.result]).recall.of == 0


def test_a_page_that_is_owed_without_a_loss_counts_apart() -> None:
    """A label topic that stopped is missed although no loss shows it."""
    found = score(
        [result("labels_stop", mean=0.1, needed=None), result("labels_stop", page(9.0, "blind"), mean=0.1, needed=None)]
    )

    assert (found.rules.hits, found.rules.of) == (1, 2)
    assert found.recall.of == 0


def test_no_page_is_right_where_nothing_is_harmed() -> None:
    """Each page counts; a harmful stream of the same kind is no quiet one."""
    quiet, harmed = result("shift_sudden", page(5), page(9), mean=0.1), result("shift_sudden", page(5), mean=0.3)

    assert score([quiet, harmed]).quiet == (2, 1)
    assert score([quiet, harmed]).precision == Share(1, 3)


def test_the_cause_is_that_at_the_end() -> None:
    """Of the faults that were found."""
    found = score(
        [result("bad_retrain", page(5, "new_version")), result("bad_retrain", page(5, "concept")), result("bad_retrain")]
    )

    assert (found.cause, found.recall) == (Share(1, 2), Share(2, 3))


def test_the_reset_time_runs_from_the_end_of_the_fault() -> None:
    """A page that was resolved before has none; one that stays open is counted."""
    results = [result("concept", page(5, resolved=resolved)) for resolved in (103_600.0, 90_000.0, None)]
    lasting = result("concept", page(5), end=None)

    assert [judge(one).reset for one in [*results, lasting]] == [3_600.0, 0.0, None, None]
    assert score([*results, lasting]).unreset == Share(1, 3)


def test_columns_and_segments_are_to_be_named() -> None:
    """All columns of the role; the segment that was hit."""
    swapped = [result("columns_swapped", page(5, columns=names)) for names in (("debt", "age", "income"), ("debt",))]
    failed = [result("segment_fails", page(5, segment=segment)) for segment in ("region=east", None)]

    assert [judge(one).named for one in (*swapped, *failed, result("concept", page(5)))] == [True, False, True, False, None]


def test_rollbacks_count_wherever_they_are_written() -> None:
    """In pages and in tickets."""
    sent = result("concept", page(5, rollbacks=("7",)), tickets=[page(6, rollbacks=("6",))])

    assert rollbacks(sent) == ["7", "6"]


@pytest.mark.parametrize(
    ("share", "low", "high"),
    [(Share(0, 300), 0.0, 0.012221), (Share(95, 100), 0.887175, 0.983568), (Share(10, 10), 0.691503, 1.0)],
)
def test_the_interval_is_that_of_clopper_and_pearson(share: Share, low: float, high: float) -> None:
    """Known values (R, binom.test)."""
    assert share.low == pytest.approx(low, abs=1e-5)
    assert share.high == pytest.approx(high, abs=1e-5)


def test_misses_are_told_with_what_was_right_and_what_came() -> None:
    """One that is right is not told."""
    told = "\n".join(
        misses(
            [result("concept", page(5, resolved=END)), result("concept"), result("bad_retrain", page(3_600, reason="it is bad"))]
        )
    )

    assert told.count("loans/") == 2
    assert "missed" in told
    assert "wrong cause" in told
    assert "no rollback" in told
    assert "it is bad" in told


# --- some streams -------------------------------------------------------------------------------------------------------------

#: World, fault, seed -> what is right, as (pages, causes).
ANSWERS: Final[tuple[tuple[Key, int, list[str]], ...]] = (
    (Key("electricity", "concept", 3), 1, ["concept"]),
    (Key("loans", "bad_retrain", 3), 1, ["new_version"]),
    (Key("tickets", "bad_canary", 3), 1, ["new_version"]),
    (Key("sea", "good_replacement", 3), 0, []),
    (Key("tickets", "events_twice", 4), 0, []),
    (Key("delivery", "shift_sudden", 6), 0, []),
    (Key("electricity", "concept_after_good_deploy", 0), 1, ["concept"]),
)


@pytest.mark.parametrize(("key", "pages", "causes"), ANSWERS, ids=[str(key) for key, _, _ in ANSWERS])
def test_some_streams_get_their_right_answer(key: Key, pages: int, causes: list[str]) -> None:
    """One page with the right cause where there is harm, and a rollback where it is right; none elsewhere."""
    found = run(key)

    assert [one.cause for one in found.pages[DAEMON]] == causes
    assert len(found.pages[DAEMON]) == pages
    assert bool(rollbacks(found)) == found.kind.rollback
    assert sorted(found.pages) == sorted([DAEMON, *BASELINES])


def test_results_are_kept_and_become_tables(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What was saved is read again, and makes the same tables."""
    kept = [result("concept", page(5)), result("shift_sudden", mean=0.1), result("concept_in_good_canary", page(5))]
    path = tmp_path_factory.mktemp("corpus") / "results.jsonl"
    save(kept, path)

    assert load(path) == kept
    assert [markdown(table) for table in tables(load(path))] == [markdown(table) for table in tables(kept)]
    assert any("concept" in markdown(table) for table in tables(kept))


@pytest.mark.corpus
@pytest.mark.timeout(0)
def test_fresh_seeds_do_not_contradict_the_promises() -> None:
    """Two seeds that no table was made from, in every world, and one in five of the streams without a rollback.

    No interval at 95 % lies below what is promised, and nobody is woken where nothing is wrong.
    """
    results = run_all(keys_of_faults(seeds=(10, 11)), jobs=2, quiet=True)
    without = run_all(keys_of_rollbacks(share=5), jobs=2, quiet=True)
    found = score(results)

    assert (found.recall.high >= 0.95, found.precision.high >= 0.95, found.cause.high >= 0.90) == (True, True, True)
    assert found.quiet[0] == 0
    assert [str(one.key) for one in without if rollbacks(one)] == []

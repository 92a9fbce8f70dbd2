"""The table of faults: what practitioners told of, as far as a stream can show it, and the right answer to each.

P1 to P18 are the participants of *Operationalizing Machine Learning: An Interview Study* (arXiv 2209.09125), numbers its
sections. Rows that no participant told of say where they come from.
"""

from __future__ import annotations

from typing import Final

from tests.corpus.effects import Concept, Delays, Flipped, Noise, Product, Repeated, Silence, Slower, Stuck, Tilt, Unlabelled
from tests.corpus.faults import BINARY, CATEGORIES, DECLARED, SEGMENTED, UNLIKE, Fault, Phase, beside, hit, new, shadow
from tests.corpus.inputs import (
    AsText,
    Constant,
    Gone,
    Missing,
    Moved,
    Negative,
    NewCategory,
    NewColumns,
    Rubbish,
    Scaled,
    Spelled,
    Stale,
)

_OUTCOME: Final = {
    "rules": [
        {
            "rule": "outcome",
            "name": "conversions",
            "outcome": "conversion",
            "direction": "up",
            "bounds": [0, 1],
            "tolerance": 0.03,
            "severity": "page",
        }
    ]
}
_USUAL: Final = (1.0, 1.0, 1.0)
#: Wrong predictions are told of at once, right ones take their time.
_FAST_ERRORS: Final = Delays((1.3, 1.3, 1.3), of_wrong=(0.3, 0.3, 0.3))

FAULTS: Final[tuple[Fault, ...]] = (
    # --- the losses
    Fault(name="concept", said_by="F4; P8", what="the same inputs mean something else", answer="harm", causes=("concept",),
          phases=hit(Concept())),
    Fault(name="concept_slow", said_by="5.1.2.2 (P6, P8, P12)", what="the same, row by row", answer="harm", causes=("concept",),
          phases=hit(Concept("ramp")), truth_from=0.5),
    Fault(name="oscillating", said_by="response (design)", what="the concept changes and changes back, in bouts", answer="harm",
          causes=("concept",), phases=hit(Concept("bouts")), returns=True),
    Fault(name="hard_cases", said_by="F4; P1", what="more of the rows that the model gets wrong", answer="harm",
          causes=("concept",), phases=hit(Tilt("hard", (0.5, 1.0, 1.8)))),
    Fault(name="segment_fails", said_by="P6", what="all goes well but for one critical customer", answer="harm",
          causes=("concept",), worlds=SEGMENTED, segment=True,
          phases=hit(Concept(where="victim"), Tilt("easy", (0.2, 0.2, 0.2)))),
    Fault(name="stuck_answers", said_by="P7 (fall back silently)", what="the server repeats one answer", answer="harm",
          causes=("concept",), phases=hit(Stuck((0.2, 0.5, 0.9)))),
    # --- new versions
    Fault(name="bad_retrain", said_by="P14", what="a bad version replaces a good one", answer="harm", causes=("new_version",),
          rollback=True, watched="8", phases=hit(arms=new("bad"))),
    Fault(name="bad_canary", said_by="P7, P14, P16 (4.4.3)", what="a bad canary", answer="harm", causes=("new_version",),
          rollback=True, watched="8", phases=hit(arms=beside("bad"))),
    Fault(name="bad_rolling", said_by="P14", what="a bad version comes in turn with the good one, then alone", answer="harm",
          causes=("new_version",), rollback=True, watched="8",
          phases=(Phase(n=600, arms=beside("bad", 0.5, "live")), Phase(arms=new("bad")))),
    Fault(name="leakage", said_by="P1, P6, P14, P18", what="a version that was trained with a leak", answer="harm",
          causes=("new_version",), rollback=True, watched="8", phases=hit(arms=new("leaky"))),
    Fault(name="fallback_bad_too", said_by="P19", what="the world has changed, then a bad version comes", answer="harm",
          causes=("concept",), watched="7",
          phases=(Phase(n=3_000, effects=(Concept(level=2),)), Phase(n=2_000, arms=new("bad"), effects=(Concept(level=2),)))),
    # --- labels
    Fault(name="labels_flipped", said_by="P1, P3, P6, P11", what="every label is turned round", answer="page",
          causes=("label_fault",), worlds=BINARY, phases=hit(Flipped())),
    Fault(name="labels_garbled", said_by="P1, P3", what="the list of classes lost a line, or a sign got in", answer="page",
          causes=("label_fault", "concept"), worlds=("delivery", "tickets"), phases=hit(Flipped())),
    Fault(name="labels_flipped_at_one_source", said_by="P3, P11", what="a part of the labels is turned round", answer="harm",
          causes=("label_fault", "concept"), phases=hit(Flipped((0.15, 0.3, 0.5)))),
    Fault(name="annotators_disagree", said_by="P11", what="labels are noise", answer="harm", causes=("concept",),
          phases=hit(Noise((0.2, 0.4, 0.8)))),
    Fault(name="labels_stop", said_by="P7, 5.1.2.2", what="the label topic stops", answer="page", causes=("blind",),
          phases=hit(Unlabelled((0.0, 0.0, 0.0)))),
    Fault(name="complaints_only", said_by="P7, P17", what="labels of right predictions become rare", answer="either",
          causes=("blind",), phases=hit(Unlabelled((0.5, 0.3, 0.15), of_wrong=_USUAL))),
    # --- inputs
    Fault(name="columns_swapped", said_by="5.1.2", what="two columns swapped", answer="page", causes=("input_fault",),
          worlds=UNLIKE, columns="pair", phases=hit(Moved("pair"))),
    Fault(name="columns_alike_swapped", said_by="5.1.2", what="two columns swapped that look the same", answer="harm",
          causes=("input_fault", "concept"), worlds=("sea",), phases=hit(Moved("alike"))),
    Fault(name="header_moves", said_by="P10", what="three columns have each other's values", answer="harm",
          causes=("input_fault",), worlds=UNLIKE, phases=hit(Moved("header"))),
    Fault(name="null_burst", said_by="5.1.2", what="a feature that matters is missing", answer="either",
          causes=("input_fault",), columns="strong", phases=hit(Missing("strong", (0.3, 0.6, 0.9)))),
    Fault(name="keys_half_missing", said_by="P18", what="half of the features are missing in some rows, for long",
          answer="either", causes=("input_fault",), phases=hit(Missing("key", (0.15, 0.3, 0.6)))),
    Fault(name="feature_gone", said_by="P18; P10", what="a feature that matters vanishes", answer="either",
          causes=("input_fault",), columns="strong", phases=hit(Gone("strong"))),
    Fault(name="imputation_corrupt", said_by="P6", what="an imputation writes a number that nothing has", answer="either",
          causes=("input_fault",), columns="strong", phases=hit(Constant("strong", (0.3, 0.6, 0.9)))),
    Fault(name="features_stale", said_by="P17; P14", what="a feature table with the values of other rows", answer="harm",
          causes=("input_fault", "concept"), phases=hit(Stale("key", (0.3, 0.6, 1.0)))),
    Fault(name="unit_changed", said_by="5.1.2.2", what="a feature in another unit", answer="either", causes=("input_fault",),
          columns="strong", phases=hit(Scaled("strong", (10.0, 100.0, 1000.0)))),
    Fault(name="bounds_broken", said_by="5.1.2", what="negative ages", answer="page", causes=("input_fault",),
          worlds=DECLARED, columns="bounded", phases=hit(Negative("bounded", (0.1, 0.3, 0.6)))),
    Fault(name="number_as_text", said_by="P8, P16", what="a number comes as text, with a comma", answer="page",
          causes=("input_fault",), worlds=DECLARED, columns="bounded", phases=hit(AsText("bounded", (0.1, 0.4, 1.0)))),
    Fault(name="category_misspelt", said_by="P8", what="declared categories in another spelling", answer="page",
          causes=("input_fault",), worlds=("loans", "delivery"), columns="declared",
          phases=hit(Spelled("declared", (0.1, 0.4, 1.0)))),
    Fault(name="special_characters", said_by="P8", what="the same where nothing was declared", answer="harm",
          causes=("input_fault",), worlds=CATEGORIES, phases=hit(Spelled("category", (0.2, 0.6, 1.0)))),
    # --- traffic and product
    Fault(name="model_silent", said_by="F11", what="no predictions for some hours", answer="page", causes=("blind",), gap=True,
          phases=(Phase(n=1_500, effects=(Silence((4.0, 8.0, 16.0)),)),)),
    Fault(name="product_falls", said_by="P7, P15, P17 (4.4.4)", what="fewer sales, with the same loss", answer="page",
          causes=("outcome",), worlds=SEGMENTED, guardrail=_OUTCOME,
          always=(Product("conversion", (0.4, 0.4, 0.4), 0.4),), phases=hit(Product("conversion", (0.1, 0.05, 0.0), 0.4))),
    # --- no page
    Fault(name="good_replacement", said_by="5.1.2.1", what="a version as good as the one before", answer="nothing", watched="8",
          phases=hit(arms=new("fresh"))),
    Fault(name="good_canary", said_by="4.4.3", what="a canary as good as the one before, then alone", answer="nothing",
          watched="8", phases=(Phase(n=2_500, arms=beside("fresh")), Phase(n=3_000, arms=new("fresh")))),
    Fault(name="good_shadow", said_by="P14 (4.4.3)", what="a shadow as good as what is live", answer="nothing",
          phases=hit(arms=shadow("fresh"))),
    Fault(name="bad_shadow", said_by="P14 (4.4.3)", what="a bad shadow, which serves nobody", answer="ticket",
          phases=hit(arms=shadow("bad"))),
    Fault(name="fast_errors", said_by="F3", what="errors are told sooner than successes; a good version comes", answer="nothing",
          watched="8", always=(_FAST_ERRORS,), phases=hit(arms=new("fresh"))),
    Fault(name="improves", said_by="detector trait", what="the cases become easier", answer="nothing",
          phases=hit(Tilt("easy", (0.5, 1.0, 2.0)))),
    Fault(name="shift_sudden", said_by="5.1.2.2", what="a feature that does not matter shifts", answer="ticket",
          phases=hit(Tilt("weak", (0.7, 1.2, 1.7)))),
    Fault(name="shift_slow", said_by="5.1.2.2 (P6, P7, P12)", what="the same, slowly", answer="ticket",
          phases=hit(Tilt("weak", (0.7, 1.2, 1.7), "ramp"))),
    Fault(name="daily_season", said_by="practice, section 5", what="inputs swing with the hours of the day", answer="nothing",
          always=(Tilt("weak", (0.4, 0.8, 1.2), "wave"),), phases=hit(), settle=9_000,
          guardrail={"reference": {"span": "24h"}}),
    Fault(name="class_ratio", said_by="practice A14; P2", what="more of one class, each as it always looked", answer="ticket",
          phases=hit(Tilt("class", (0.3, 0.5, 0.8)))),
    Fault(name="region_sporadic", said_by="P7", what="one region hardly sends anything", answer="ticket", worlds=SEGMENTED,
          phases=hit(Tilt("victim", (-2.0, -3.0, -5.0)))),
    Fault(name="new_category", said_by="P6; P8", what="a category that was never seen, in usual rows", answer="ticket",
          worlds=CATEGORIES, phases=hit(NewCategory("category", (0.02, 0.04, 0.08)))),
    Fault(name="null_unused", said_by="F2", what="a feature that does not matter is missing", answer="ticket",
          phases=hit(Missing("weak", (0.2, 0.5, 1.0)))),
    Fault(name="bounds_broken_seldom", said_by="5.1.2", what="a negative age in a thousand", answer="ticket", worlds=DECLARED,
          phases=hit(Negative("bounded", (0.001, 0.002, 0.004)))),
    Fault(name="rubbish_values", said_by="issue 5, 6", what="NaN, Infinity and 1e300 in a feature that does not matter",
          answer="ticket", phases=hit(Rubbish("weak", (0.01, 0.05, 0.3)))),
    Fault(name="new_columns", said_by="issue 5, 6", what="new columns, one with 100,000 categories", answer="nothing",
          phases=hit(NewColumns())),
    Fault(name="events_twice", said_by="design, 2", what="events are sent twice, and late", answer="nothing",
          phases=hit(Repeated(0.5))),
    Fault(name="traffic_drops", said_by="practice, section 5", what="ten predictions an hour", answer="nothing",
          phases=(Phase(n=500, effects=(Slower(360.0),)),)),
    Fault(name="labels_late", said_by="P7, P15", what="labels take twice as long", answer="ticket",
          phases=hit(Delays((1.7, 2.0, 2.5)))),
    Fault(name="labels_fewer", said_by="P7", what="fewer labels, of all predictions alike", answer="ticket",
          phases=hit(Unlabelled((0.7, 0.6, 0.5)))),
)  # fmt: skip

#: 200 streams in which every rollback would be wrong: (kind, seeds).
ROLLBACKS: Final[tuple[tuple[Fault, int], ...]] = (
    (Fault(name="concept_in_good_canary", said_by="issue 5", what="the world changes while a good canary is on", answer="harm",
           causes=("concept",), phases=(Phase(n=1_500, arms=beside("fresh"), healthy=True),
                                        Phase(arms=beside("fresh"), effects=(Concept(),)))), 25),
    (Fault(name="flip_in_good_canary", said_by="issue 5", what="the labels turn round while a good canary is on", answer="page",
           causes=("label_fault",), worlds=BINARY, phases=(Phase(n=1_500, arms=beside("fresh"), healthy=True),
                                                           Phase(arms=beside("fresh"), effects=(Flipped(),)))), 25),
    (Fault(name="concept_after_good_deploy", said_by="issue 5", what="the world changes 5,000 labels after a good deployment",
           answer="harm", causes=("concept",), watched="8",
           phases=(Phase(n=7_500, arms=new("fresh"), healthy=True), Phase(arms=new("fresh"), effects=(Concept(),)))), 50),
    (Fault(name="drifted_then_good_deploy", said_by="issue 5", what="the older version does harm; the new one is no better",
           answer="harm", causes=("concept",), phases=(Phase(n=2_500, effects=(Concept(),)),
                                                       Phase(arms=new("fresh"), effects=(Concept(),)))), 25),
    (Fault(name="drifted_then_better_deploy", said_by="issue 5", what="the same; the new one has learned the new world",
           answer="harm", causes=("concept",), phases=(Phase(n=2_500, effects=(Concept(),)),
                                                       Phase(arms=new("adapted"), effects=(Concept(),)))), 25),
    (Fault(name="fast_errors_good_deploy", said_by="issue 5", what="errors are told sooner than successes; a good replacement",
           answer="nothing", watched="8", always=(_FAST_ERRORS,), phases=hit(arms=new("fresh"))), 25),
    (Fault(name="fast_errors_good_canary", said_by="issue 5", what="the same with a good canary", answer="nothing", watched="8",
           always=(_FAST_ERRORS,), phases=hit(arms=beside("fresh"))), 25),
)  # fmt: skip

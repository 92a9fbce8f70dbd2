"""The classifier that stands in for a user's model."""

from __future__ import annotations

from detectors.classifier import TreeClassifier


def test_an_untrained_classifier_has_no_opinion() -> None:
    """Half is what it says before the first example."""
    assert TreeClassifier().score({"x": 1.0}) == 0.5


def test_what_was_never_seen_is_improbable() -> None:
    """With examples of one class only, the other one has no probability."""
    classifier = TreeClassifier()
    for _ in range(10):
        classifier.learn({"x": 1.0}, positive=False)

    assert classifier.score({"x": 1.0}) == 0.0


def test_two_classes_are_told_apart() -> None:
    """A rule on one feature is learned."""
    classifier = TreeClassifier()
    for number in range(2000):
        value = (number * 7 % 100) / 100
        classifier.learn({"x": value, "noise": float(number % 3)}, positive=value > 0.5)

    assert (classifier.score({"x": 0.9, "noise": 1.0}) > 0.9, classifier.score({"x": 0.1, "noise": 1.0}) < 0.1) == (True, True)

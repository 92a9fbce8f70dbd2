"""`watchkeeper run`: the daemon, after a look at whether its packages are its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

from alerting.errors import LedgerUnavailable
from daemon import logs
from daemon.app import App
from daemon.errors import CannotStart
from daemon.settings import load_settings

DISTRIBUTION: Final = "watchkeeper"
#: Our import names. They stay at the top, since this is an application with an environment of its own.
PACKAGES: Final = ("daemon", "detectors", "alerting")


def run(settings: Path | None) -> int:
    """Run the daemon until it is told to stop; gives its exit code.

    Args:
        settings: the settings file; without one, defaults and the environment.

    Raises:
        CannotStart: the settings are wrong, the state cannot be used, or another distribution owns one of our packages.
    """
    refuse_second_owner(packages_distributions())
    loaded = load_settings(settings)
    logs.configure(loaded.log.format, loaded.log.level)
    try:
        return App(loaded).run()
    except LedgerUnavailable as error:
        raise CannotStart(str(error)) from error


def refuse_second_owner(owners: Mapping[str, Sequence[str]]) -> None:
    """Stop where another distribution installed a package of the same name: its modules and ours would lie in one folder.

    python-daemon, which Airflow and Luigi need, has a `daemon` too; whichever was installed last has overwritten the other.

    Args:
        owners: import name -> distributions, as `importlib.metadata.packages_distributions` gives it.

    Raises:
        CannotStart: with the package and whose it is.
    """
    for package in PACKAGES:
        others = sorted({owner for owner in owners.get(package, ()) if owner.lower() != DISTRIBUTION})
        if others:
            raise CannotStart(
                f"{' and '.join(others)} installed a package named {package} over watchkeeper's own; "
                f"install watchkeeper into a virtual environment of its own"
            )

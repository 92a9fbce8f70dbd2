"""What a person sees: on a terminal one picture that is redrawn, elsewhere a line for each thing that happens.

A `Scene` is all that there is to show; both views are made from it alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from daemon.demo.models import VERSIONS
from daemon.demo.world import STEPS, Data, Step, World

#: Columns of the lines where there is no terminal to tell.
WIDTH: Final = 110
#: Seconds between two lines about the versions, where nothing is redrawn.
STATUS_EVERY: Final = 10.0
_BAR: Final = 20


@dataclass
class Scene:
    """The story so far.

    Attributes:
        world: what was seen.
        addresses: what can be looked at -> where it is.
        happened: for each step that has happened, in order, after how many seconds, and the words for it.
        elapsed: seconds since the beginning.
        ending: the last word, once there is one.
    """

    world: World
    addresses: Mapping[str, str] = field(default_factory=dict)
    happened: list[tuple[float, str]] = field(default_factory=list)
    elapsed: float = 0.0
    ending: str = ""

    @property
    def waiting_for(self) -> Step | None:
        """The step that comes next; None when all have happened."""
        return STEPS[len(self.happened)] if len(self.happened) < len(STEPS) else None


class View(Protocol):
    """Shows a scene; a context manager, since a terminal has to be given back."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def show(self, scene: Scene) -> None:
        """Show how things stand."""


def view_for(console: Console) -> View:
    """Give the view that fits where the output goes."""
    return Picture(console) if console.is_terminal else Lines(console)


class Picture:
    """The terminal view."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()

    def show(self, scene: Scene) -> None:
        """Redraw."""
        self._live.update(picture(scene))


class Lines:
    """The view for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = 0
        self._status = 0.0
        self._addresses = False
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave everything as it is."""

    def show(self, scene: Scene) -> None:
        """Print what is new."""
        if scene.addresses and not self._addresses:
            self._addresses = True
            for what, where in scene.addresses.items():
                self._say(f"{what}: {where}")
        for index in range(self._shown, len(scene.happened)):
            at, words = scene.happened[index]
            self._say(f"{at:5.1f} s  {STEPS[index].name}: {words}")
        self._shown = len(scene.happened)
        if scene.elapsed - self._status >= STATUS_EVERY and scene.waiting_for is not None:
            self._status = scene.elapsed
            for line in _status(scene.world):
                self._say(f"{scene.elapsed:5.1f} s    {line}")
        if scene.ending and not self._ended:
            self._ended = True
            self._say(scene.ending)

    def _say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, highlight=False, markup=False)


def _status(world: World) -> list[str]:
    lines = []
    for version in VERSIONS:
        harm, contest = world.verdict("harm", version), world.contest(version)
        if harm is not None:
            newer = "" if contest is None else f", worse than the older one: evidence {contest['evidence']:.2f}"
            lines.append(f"version {version}: mean loss {_loss(harm)}, harm: evidence {harm['evidence']:.2f}{newer}")
    return lines


def picture(scene: Scene) -> RenderableType:
    """Draw the scene."""
    parts: list[RenderableType] = [_header(scene)]
    if scene.ending:
        parts += [Text(), Text(scene.ending, style="bold")]
    parts += [Text(), _steps(scene), Text(), _versions(scene.world)]
    incident = scene.world.incident
    if incident is not None:
        parts += [Text(), _timeline(incident)]
    if scene.addresses:
        parts += [Text(), _addresses(scene.addresses)]
    return Padding(Group(*parts), (1, 1))


def _header(scene: Scene) -> RenderableType:
    line = Table.grid(padding=(0, 2))
    line.add_row(
        Text("watchkeeper demo", style="bold"),
        ProgressBar(total=len(STEPS), completed=len(scene.happened), width=_BAR),
        Text(f"{len(scene.happened)} of {len(STEPS)} steps, {scene.elapsed:.0f} s", style="dim"),
    )
    return line


def _steps(scene: Scene) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for index, step in enumerate(STEPS):
        if index < len(scene.happened):
            at, words = scene.happened[index]
            table.add_row(f"{at:.0f} s", Text(f"✓ {step.name}", style="green"), Text(words))
        elif index == len(scene.happened) and not scene.ending:
            table.add_row("", Text(f"> {step.name}", style="yellow"), Text(f"waiting for {step.waiting_for}", style="yellow"))
        else:
            table.add_row("", Text(f"  {step.name}", style="dim"), "")
    return table


def _versions(world: World) -> RenderableType:
    table = Table(title="versions", title_justify="left", title_style="bold", box=None, padding=(0, 2), pad_edge=False)
    table.add_column("version")
    for name in ("predictions", "mean loss", "harm begins at"):
        table.add_column(name, justify="right")
    table.add_column("evidence of harm")
    table.add_column("evidence against the older one")
    for version in VERSIONS:
        harm, contest = world.verdict("harm", version), world.contest(version)
        limit = None if harm is None else harm["numbers"]["limit"]
        table.add_row(
            Text(version + (" (live)" if world.serving == version else ""), style="bold" if world.serving == version else ""),
            f"{world.predictions[version]:,}",
            _loss(harm),
            "" if limit is None else f"{limit:.3f}",
            _gauge(harm),
            _gauge(contest),
        )
    return table


def _loss(verdict: Data | None) -> str:
    known = verdict is not None and verdict["numbers"]["labels"]
    return f"{verdict['numbers']['mean_loss']:.3f}" if verdict is not None and known else "-"


def _gauge(verdict: Data | None) -> RenderableType:
    """Draw an evidence ratio: 1 is the alarm."""
    if verdict is None:
        return Text("-", style="dim")
    evidence = float(verdict["evidence"])
    breach = verdict["state"] == "breach"
    line = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=1.0, completed=evidence, width=_BAR, complete_style="red" if breach else "cyan", finished_style="red")
    line.add_row(bar, f"{evidence:.2f}", Text(verdict["state"], style="red" if breach else "dim"))
    return line


def _timeline(incident: Data) -> RenderableType:
    table = Table(
        title=f"incident {incident['id']}: {incident['cause']}, {incident['state']}",
        title_justify="left",
        title_style="bold",
        box=None,
        show_header=False,
        padding=(0, 2),
        pad_edge=False,
    )
    table.add_column(style="dim", no_wrap=True, min_width=len("23:59:59"))
    table.add_column(no_wrap=True, min_width=len("rollback confirmed"))
    table.add_column(overflow="ellipsis", no_wrap=True)
    for entry in incident["timeline"]:
        at = time.strftime("%H:%M:%S", time.localtime(entry["at"]))
        table.add_row(at, Text(entry["what"].replace("_", " ")), Text(entry["detail"]))
    return table


def _addresses(addresses: Mapping[str, str]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for what, where in addresses.items():
        table.add_row(what, Text(where))
    return table

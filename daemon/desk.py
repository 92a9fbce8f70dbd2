"""Where a task takes what persons do: it finds the model that an act is about, keeps the silences, and remembers its answers.

The answers and the silences are part of the checkpoint. An act is answered to whoever asked only after that, so what somebody
was told is done survives a crash, and what a crash took was never called done; asked again under its id it is done once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from alerting.acts import Act, Answer, act_entry
from alerting.errors import InvalidRecord, InvalidSilence
from alerting.formats import read_record, write_record
from alerting.intents import Intent
from alerting.journal import JournalEntry, silence_entry
from alerting.silences import Silence, ended, merged, new_silence, not_over
from alerting.silences import from_record as silence_of
from alerting.silences import to_record as silence_record
from daemon import persons

if TYPE_CHECKING:
    from daemon.cases import Context
    from daemon.response import Response

#: Answers that are remembered: more than anybody asks again for.
REMEMBERED: Final = 500


class Desk:
    """The acts of persons on one task.

    Args:
        responses: by model.
        silences: those that the journal knows of; what the store kept comes beside them.
    """

    def __init__(self, responses: Mapping[str, Response], silences: Iterable[Silence] = ()) -> None:
        self.dirty = False
        self._responses = responses
        self._silences = merged(silences)
        self._answers: dict[str, Answer] = {}

    def silences(self, at: float) -> tuple[Silence, ...]:
        """Give the silences that are not over at `at` (epoch seconds)."""
        return not_over(self._silences.values(), at)

    def act(self, act: Act, context: Callable[[str], Context]) -> tuple[Answer, list[Intent]]:
        """Carry an act out; gives the answer and the new intents.

        Args:
            act: what is wanted, as `alerting.acts.check` has found it complete.
            context: what a step of the model of this name needs to know; "" for none.
        """
        known = self._answers.get(act.id)
        if known is not None:
            return known, []
        response = self._response(act)
        if act.kind in {"silence", "unsilence"}:
            answer, intents = self._silence(act, context(""))
        elif response is None:
            what = f"model {act.model}" if act.kind == "clear" else f"incident {act.incident}"
            return Answer(status="unknown", text=f"there is no {what} here"), []
        else:
            answer = persons.do(response, act, context(response.guardrail.model))
            intents = response.letters.take()
        if answer.status == "done" and act.kind != "rehearse":
            self._remember(act.id, answer)
            intents.append(_written(act_entry(act, answer), context("")))
        return answer, intents

    def _response(self, act: Act) -> Response | None:
        if act.kind == "clear":
            return self._responses.get(act.model or "")
        for response in self._responses.values():
            if act.incident in response.cases or act.incident in response.aftermath.lately:
                return response
        try:
            known = act.known
        except InvalidRecord:
            return None
        return None if known is None or known.id != act.incident else self._responses.get(known.model)

    def _silence(self, act: Act, context: Context) -> tuple[Answer, list[Intent]]:
        try:
            silence = self._made(act, context.now) if act.kind == "silence" else self._ended(act, context.now)
        except InvalidSilence as refusal:
            return Answer(status="refused", text=str(refusal)), []
        if silence is None:
            return Answer(status="unknown", text=f"there is no silence {act.silence}, or it is over"), []
        if silence == self._silences.get(silence.id):
            return Answer(status="unchanged", text=f"there is {silence}", silence=silence_record(silence)), []
        self._silences = {each.id: each for each in self.silences(context.now)} | {silence.id: silence}
        self.dirty = True
        over = "is over" if act.kind == "unsilence" else "holds"
        answer = Answer(status="done", text=f"{silence}: {over}", silence=silence_record(silence))
        return answer, [_written(silence_entry(silence), context, f"{silence.ends:.3f}")]

    def _made(self, act: Act, now: float) -> Silence:
        """Make a silence. Its end is one of wall time; it begins at once, also for a task that is behind."""
        silence = new_silence(
            author=act.by,
            reason=act.reason,
            at=act.at,
            ends=act.until or 0.0,
            model=act.model,
            cause=act.cause,
            owner=act.owner,
        )
        known = self._silences.get(silence.id)
        if known is not None:
            return known
        return Silence(**(silence_record(silence) | {"starts": min(silence.starts, now)}))

    def _ended(self, act: Act, now: float) -> Silence | None:
        silence = self._silences.get(act.silence or "")
        return None if silence is None or now >= silence.ends else ended(silence, act.by, now)

    def _remember(self, identity: str, answer: Answer) -> None:
        self._answers[identity] = answer
        while len(self._answers) > REMEMBERED:
            del self._answers[next(iter(self._answers))]
        self.dirty = True

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data."""
        return {
            "v": 1,
            "answers": {identity: write_record(answer) for identity, answer in self._answers.items()},
            "silences": [silence_record(silence) for silence in self._silences.values()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `to_state` gave."""
        self._answers = {identity: read_record(answer, Answer) for identity, answer in state["answers"].items()}
        self._silences = merged([*map(silence_of, state["silences"]), *self._silences.values()])


def _written(entry: JournalEntry, context: Context, mark: str = "") -> Intent:
    """An entry of the journal that is no incident, as an intent; `mark` tells two entries under one key apart."""
    return Intent(
        key=f"journal:{entry.key}:{mark}" if mark else f"journal:{entry.key}",
        kind="journal",
        model=None,
        incident=None,
        destination="journal",
        body=entry.body(),
        created=context.now,
        generation=context.generation,
    )

"""What a notifier is: one method, and an error that says whether to try again."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Protocol

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from alerting.notice import Notice
from alerting.periods import Rate, rate, seconds

#: A repetition sooner than this is what a budget is there against.
LEAST_INTERVAL: Final = 60.0


def _not_too_often(interval: float) -> float:
    if interval < LEAST_INTERVAL:
        raise ValueError("must be at least 1m")
    return interval


class RouteConfig(BaseModel):
    """What all routes of the settings have in common. Their errors never show a value: it may be a secret.

    `GROUPS_ITSELF` says why a kind takes neither a budget nor a repetition, where it does not; `ESCALATES`, that its receiver has
    a rota and an escalation of its own, which ours stays out of the way of.
    """

    GROUPS_ITSELF: ClassVar[str] = ""
    ESCALATES: ClassVar[bool] = False

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    fallback: str | None = Field(
        default=None, min_length=1, description="The route that takes what this one refuses for good, or not in time; else `log`."
    )
    at_most: Annotated[Rate | None, BeforeValidator(rate)] = Field(
        default=None, description="A budget such as `5 per 10m`: what is over it waits for a digest of all that wait."
    )
    repeat_interval: Annotated[float | None, AfterValidator(_not_too_often), BeforeValidator(seconds)] = Field(
        default=None, description="A page that nobody has acknowledged is said again after so long, `4h` say; else once."
    )

    @field_validator("at_most", "repeat_interval")
    @classmethod
    def _groups_itself(cls, value: object) -> object:
        if value is not None and cls.GROUPS_ITSELF:
            raise ValueError(cls.GROUPS_ITSELF)
        return value


class Notifier(Protocol):
    """A way to a person. It keeps no state between notices and may be used from any one thread at a time."""

    Config: ClassVar[type[Any]]

    def notify(self, notice: Notice) -> None:
        """Deliver it, in bounded time. Returns when the receiver has taken it, raises DeliveryError when it has not."""
        ...

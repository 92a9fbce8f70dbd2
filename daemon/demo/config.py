"""What the demo asks of the daemon: a guardrail file and a settings file, as a user would write them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from daemon.demo.traffic import MODEL

PREDICTIONS: Final = "predictions"
LABELS: Final = "labels"
COMMANDS: Final = "watchkeeper.commands"
#: Every topic of the defaults. The embedded broker is asked for one partition each: it orders what a single producer sends.
TOPICS: Final = (PREDICTIONS, LABELS, "outcomes", "watchkeeper.dead-letters", COMMANDS, "watchkeeper.incidents")

#: Times are short because nobody watches a demo for a week; with real traffic most of these lines are not needed.
GUARDRAILS: Final = f"""\
guardrails: v1
model: {MODEL}
version: 1
owner: team-market
runbook: https://wiki.example/electricity
why: A wrong call buys power at the wrong half hour.

task: binary
positive: "1"
tolerance: 0.05               # five more errors in a hundred still do no harm

labels:
  expected_within: 4s         # at the demo's pace
  give_up_after: 5m
reference:
  events: 2000

respond:
  page: [pager]
  rollback:
    with: kafka
    cooldown: 1h
    confirm_within: 1m
"""

_SETTINGS: Final = """\
kafka:
  bootstrap: ["{bootstrap}"]
  group: watchkeeper-demo
  session_timeout: 6s         # the embedded broker makes the first member wait for half of it
  heartbeat_interval: 1s
guardrails: guardrails
state: state
http: {{host: 127.0.0.1, port: {port}, token: "{token}"}}
log: {{format: json}}
routes:
  pager: {{kind: webhook, url: "{pager}"}}
"""


@dataclass(frozen=True, slots=True)
class Loopback:
    """How to reach a broker on this machine: no encryption, no names."""

    bootstrap: tuple[str, ...]
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None


def write(directory: Path, *, bootstrap: str, port: int, pager: str, token: str) -> Path:
    """Write both files below a directory; gives the settings file.

    Args:
        directory: is there, and is the demo's own.
        bootstrap: `host:port` of the broker.
        port: where the daemon's endpoints are to listen.
        pager: address of the receiver of pages.
        token: what a person shows who acts.
    """
    guardrails = directory / "guardrails"
    guardrails.mkdir()
    (guardrails / f"{MODEL}.yaml").write_text(GUARDRAILS, encoding="utf-8")
    settings = directory / "settings.yaml"
    text = _SETTINGS.format(bootstrap=bootstrap, port=port, pager=pager, token=token)
    settings.write_text(text, encoding="utf-8")
    return settings

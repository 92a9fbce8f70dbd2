"""The reference page of the settings, made from their fields, so that it cannot say something else.

`python -m daemon.settings_page` prints docs/settings.md; a test holds the two equal.
"""

from __future__ import annotations

import sys
from typing import Final, get_args

from pydantic.fields import FieldInfo

from daemon.schema import Section
from daemon.settings import Settings
from daemon.yaml_lines import Location, dotted

_HEAD: Final = """\
# Settings of the daemon

<!-- made by `python -m daemon.settings_page`; change the fields of daemon/settings.py instead -->

`watchkeeper run --settings FILE` reads one YAML file; every key has a default, so an empty file is a valid one:

```yaml
kafka:
  bootstrap: [kafka-1:9092, kafka-2:9092]
  security_protocol: SASL_SSL
  sasl_mechanism: SCRAM-SHA-512
  sasl_username: watchkeeper
guardrails: /etc/watchkeeper/guardrails
state: /var/lib/watchkeeper
http: {host: 0.0.0.0}
routes:
  pager: {kind: webhook, url: "https://pager.example/hook"}
  desk: {kind: webhook, url: "https://chat.example/hook", at_most: 5 per 10m, fallback: pager}
routing:
  - {models: "fraud-*", hours: "mon-fri 08:00-18:00", zone: Europe/Berlin, to: [desk]}
default_route: {page: [pager]}
```

The environment overrides the file. `kafka.sasl_password` is `WATCHKEEPER_KAFKA__SASL_PASSWORD`: the prefix, then the key in
capitals with two underscores for each point. Lists are written `a,b` there, mappings as JSON. Secrets are best kept there, and
are never printed. Durations are written `30s`, `5m`, `1h` or `7d`. Paths in the file are relative to the file. A key that does
not exist is an error.

What a model may do, and who hears of it, stands in its guardrail file: [guardrails.md](guardrails.md).

## General

"""


def documentation() -> str:
    """docs/settings.md, made from the fields above."""
    fields = list(Settings.model_fields.items())
    return _HEAD + _table((), [item for item in fields if not _group(item[1])]) + _inner((), fields)


def _inner(location: Location, fields: list[tuple[str, FieldInfo]]) -> str:
    """The groups in these fields, and the rules of their lists, each with a heading."""
    text = ""
    for name, field in fields:
        group, rule = _group(field), _rule(field)
        if group is not None:
            text += _section((*location, name), group)
        elif rule is not None:
            text += _section((*location, f"{name}[]"), rule)
    return text


def _section(location: Location, group: type[Section]) -> str:
    fields = list(group.model_fields.items())
    own = [item for item in fields if not _group(item[1])]
    text = f"\n## {dotted(location)}\n\n{group.__doc__}\n" + ("\n" + _table(location, own) if own else "")
    return text + _inner(location, fields)


def _group(field: FieldInfo) -> type[Section] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _rule(field: FieldInfo) -> type[Section] | None:
    """The kind of section that a list holds."""
    kinds = get_args(field.annotation)
    return kinds[0] if kinds and isinstance(kinds[0], type) and issubclass(kinds[0], Section) else None


def _table(location: Location, fields: list[tuple[str, FieldInfo]]) -> str:
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for name, field in fields:
        rows.append(f"| `{dotted((*location, field.alias or name))}` | {_default(field)} | {field.description} |")
    return "\n".join(rows) + "\n"


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.is_required():
        return "required"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`[{', '.join(value)}]`" if isinstance(value, list | tuple) else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(documentation())

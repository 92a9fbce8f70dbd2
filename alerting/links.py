"""The links in a notice: to its incident's page, and to the one act that needs no more than a thumb: "I have seen it".

Who got a page is who may acknowledge it, so the link itself is the proof: it carries a token over the incident, the problem and
the time when it lapses, under a key that is made of the daemon's own token (`http.token`). So nothing is stored for it, a standby
that takes over knows it too, and a new token voids all links. The key is made slowly: a link stands in chats, and whoever has one
could else try passwords against it until one fits.

A link is made when a notice is delivered and never before: what is decided goes through outbox, journal and ledger, which many
may read.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from pydantic import SecretStr

if TYPE_CHECKING:
    from alerting.notice import Notice

#: Seconds after its delivery at which a link lapses.
LASTS: Final = 86_400
#: Rounds of the key's making: some tenths of a second once, and for each password that somebody tries.
ROUNDS: Final = 600_000
#: What the key is for; a key that is made of the same token for anything else is another one.
PURPOSE: Final = b"watchkeeper: acknowledge by a link, v1"


@dataclass(frozen=True, slots=True)
class Links:
    """Makes the links of a daemon and knows them again; without address and key there are none, and none is genuine.

    `address` is where people reach the daemon, without a slash at its end.
    """

    address: str = ""
    key: bytes = field(default=b"", repr=False)

    def page(self, incident: str) -> str:
        """Where the page of an incident is; empty when the address is not known."""
        return self.address and self.address + path_of(incident)

    def acknowledge(self, incident: str, problem: str, until: int) -> str:
        """Where a problem of an incident is acknowledged until a time, epoch seconds; empty without address or key."""
        if not (self.address and self.key):
            return ""
        said = {"problem": problem, "until": str(until), "token": self._token(incident, problem, str(until))}
        return f"{self.page(incident)}/acknowledge?{urlencode(said, errors='replace')}"

    def is_genuine(self, incident: str, problem: str, until: str, token: str, now: float) -> bool:
        """Whether a link that says this was made by `acknowledge` and has not lapsed at `now`, epoch seconds."""
        if not (self.address and self.key):
            return False
        # Compared in constant time, so that nobody can guess it a character at a time; `until` is a number once it was signed.
        genuine = hmac.compare_digest(self._token(incident, problem, until).encode(), _bytes(token))
        return genuine and now <= int(until)

    def onto(self, notice: Notice, now: float) -> Notice:
        """The notice with its links, as it is delivered at `now` (epoch seconds); one that is about no incident has none."""
        if notice.incident is None:
            return notice
        waits = notice.severity == "page" and notice.event in {"trigger", "update"}
        link = self.acknowledge(notice.incident, notice.dedup_key, int(now) + LASTS) if waits else ""
        return replace(notice, url=self.page(notice.incident), acknowledge_url=link)

    def _token(self, *said: str) -> str:
        # Each part comes with its length, so that no two lists of parts are the same bytes.
        parts = [_bytes(part) for part in said]
        message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.new(self.key, message, hashlib.sha256).hexdigest()


#: Those of a daemon that nobody said the address of.
NO_LINKS: Final = Links()


def links_of(address: str | None, token: SecretStr | None) -> Links:
    """The links of a daemon at this address; with its token also those that acknowledge."""
    if address is None or token is None:
        return Links(address or "")
    return Links(address, hashlib.pbkdf2_hmac("sha256", token.get_secret_value().encode(), PURPOSE, ROUNDS))


def path_of(incident: str) -> str:
    """Where in the daemon the page of an incident is."""
    return "/incidents/" + quote(incident, safe="", errors="replace")


def token_in(link: str) -> str:
    """What is secret in a link of `acknowledge`; empty when there is none."""
    return link.partition("&token=")[2]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # a lone surrogate has no other form, and must not end in an error

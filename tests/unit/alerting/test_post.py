"""One POST: what its answers mean, and what its errors do not say. The network is replaced at the transport."""

from __future__ import annotations

import httpx
import pytest

from alerting.errors import DeliveryError
from alerting.post import Answer, Call, host_of, pause_of, post, redacted, refusal, secrets_of_url
from tests.doubles.alerting import NOON, an_answer

SECRET_URL = "https://user:pass-word@hooks.example:8443/services/T0123/B0123456/xoxb-canary?token=canary-token"
CALL = Call(url=SECRET_URL, body=b"{}", headers={"Authorization": "Bearer canary-header"}, timeout=5, secrets=("canary-header",))


def posted(answer: httpx.Response | Exception, call: Call = CALL) -> Answer:
    """Post to a receiver that gives this answer, or breaks with this error."""

    def handle(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return post(call, now=NOON, transport=httpx.MockTransport(handle))


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_delivered(status: int) -> None:
    """The receiver has taken it."""
    assert posted(an_answer(status)).status == status


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 410, 413, 422])
def test_what_will_not_change_is_permanent(status: int) -> None:
    """A redirect is not followed: it would carry the secrets elsewhere."""
    with pytest.raises(DeliveryError, match=f"https://hooks.example:8443 answered {status}") as caught:
        posted(an_answer(status, headers={"Location": "https://elsewhere.example"}))

    assert caught.value.permanent


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_temporary(status: int) -> None:
    """These are tried again."""
    with pytest.raises(DeliveryError) as caught:
        posted(an_answer(status))

    assert not caught.value.permanent


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ConnectTimeout("slow"), False),
        (httpx.ReadTimeout("slow"), False),
        (httpx.ReadError("reset"), False),
        (httpx.RemoteProtocolError("garbage"), False),
        (httpx.ProxyError("proxy"), False),
        (httpx.LocalProtocolError("Illegal header value b'canary-header'"), True),
        (httpx.UnsupportedProtocol("canary-token"), True),
        (httpx.InvalidURL("canary-token"), True),
    ],
)
def test_broken_connections_are_temporary_and_broken_requests_permanent(error: Exception, permanent: bool) -> None:
    """A request that cannot be made now can never be made."""
    with pytest.raises(DeliveryError, match=r"hooks\.example") as caught:
        posted(error)

    assert caught.value.permanent is permanent
    assert "canary" not in str(caught.value)


def test_an_error_quotes_the_answer_without_secrets() -> None:
    """What the receiver says helps; what it echoes of us is struck out."""
    echo = f"invalid routing key\n{SECRET_URL} canary-header xoxb-canary canary-token pass-word" + "!" * 1000
    with pytest.raises(DeliveryError, match="invalid routing key") as caught:
        posted(an_answer(400, echo))

    text = str(caught.value)
    assert "canary" not in text
    assert "pass-word" not in text
    assert len(text) < 300


def test_the_request_is_what_was_asked_for() -> None:
    """Method, headers and body go out as they are."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return an_answer(202)

    post(CALL, now=NOON, transport=httpx.MockTransport(handle))

    assert [(one.method, str(one.url.path), one.content) for one in seen] == [
        ("POST", "/services/T0123/B0123456/xoxb-canary", b"{}")
    ]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("30", 30.0),
        (" 0 ", 0.0),
        ("Thu, 01 Oct 2026 12:02:00 GMT", 120.0),
        ("Thu, 01 Oct 2026 11:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("9" * 400, 999_999_999.0),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    """What cannot be read is as if it were not there."""
    assert pause_of(header, now=NOON) == seconds


def test_the_pause_travels_with_the_refusal() -> None:
    """A 429 says when to come back."""
    error = refusal("https://hooks.example", Answer(429, "", "17"), now=NOON)

    assert (error.permanent, error.retry_after, str(error)) == (False, 17.0, "https://hooks.example answered 429")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (SECRET_URL, "https://hooks.example:8443"),
        ("http://[::1]:80/x", "http://[::1]:80"),
        ("http://example/x", "http://example"),
        ("http://example:canary/x", "an invalid address"),
        ("http://[canary/x", "an invalid address"),
        ("canary", "an invalid address"),
    ],
)
def test_of_an_address_only_the_host_is_said(url: str, host: str) -> None:
    """The rest may be a secret."""
    assert host_of(url) == host


def test_the_longest_secret_is_struck_out_first() -> None:
    """A secret that contains another one leaves no rest behind."""
    assert redacted("key-long key", ("key", "key-long", "")) == "*** ***"


def test_every_part_of_an_address_that_may_be_a_secret_is_known() -> None:
    """User, password, path parts and query values."""
    assert set(secrets_of_url(SECRET_URL)) >= {"pass-word", "xoxb-canary", "canary-token", "B0123456"}

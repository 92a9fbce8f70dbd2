"""The webhook's document, its signature and its headers."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from alerting.errors import DeliveryError
from alerting.links import Links, token_in
from alerting.notifiers.webhook import WebhookConfig, WebhookNotifier, body_of
from alerting.post import host_of
from alerting.signing import signature
from tests.doubles.alerting import NOON, a_notice, an_answer
from tests.doubles.webhook_contract import FIELDS, violations_of


def sent(config: WebhookConfig, key: str = "k", reason: str = "r") -> httpx.Request:
    """The request that a notice makes."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return an_answer(202)

    notifier = WebhookNotifier(config, clock=lambda: NOON + 0.7, transport=httpx.MockTransport(handle))
    notifier.notify(replace(a_notice(reason=reason), key=key))
    return seen[0]


LINKS = Links("https://wk.example", b"k" * 32)
CONFIG = WebhookConfig(url=SecretStr("https://hooks.example/pages"))


def test_the_document_has_every_field_of_the_contract_and_no_other() -> None:
    """Receivers rely on the set of fields; what is not known is null or empty."""
    assert list(json.loads(sent(CONFIG).content)) == list(FIELDS)


def test_links_are_never_cut() -> None:
    """Half a link leads nowhere, however long the rest is."""
    long = Links("https://wk.example/" + "p" * 200, b"k")
    body = body_of(long.onto(a_notice(reason="x" * 300_000, numbers=dict.fromkeys(map(str, range(9_000)), 0.1)), NOON))

    assert (body["url"], body["acknowledge_url"].startswith(body["url"])) == (long.page(a_notice().incident or ""), True)
    assert len(json.dumps(body)) < 500_000


def test_a_receiver_that_says_the_link_back_does_not_give_it_away() -> None:
    """Errors go to the log, the journal and the ledger."""
    notice = LINKS.onto(a_notice(), NOON)

    def echo(request: httpx.Request) -> httpx.Response:
        return an_answer(400, f"what is {json.loads(request.content)['acknowledge_url']}?")

    with pytest.raises(DeliveryError, match=r"what is https://wk\.example/incidents/") as caught:
        WebhookNotifier(CONFIG, clock=lambda: NOON, transport=httpx.MockTransport(echo)).notify(notice)

    assert token_in(notice.acknowledge_url) not in str(caught.value)


def test_a_signature_can_be_checked_by_a_few_lines() -> None:
    """HMAC-SHA-256 of timestamp, dot, body."""
    request = sent(WebhookConfig(url=SecretStr("https://hooks.example/x"), secret=SecretStr("s3cret")))
    expected = hmac.new(b"s3cret", b"1790856000." + request.content, hashlib.sha256).hexdigest()

    assert request.headers["X-Watchkeeper-Timestamp"] == "1790856000"
    assert request.headers["X-Watchkeeper-Signature"] == f"sha256={expected}"
    assert signature("s3cret", "1790856000", request.content) == f"sha256={expected}"


def test_without_a_secret_nothing_is_signed() -> None:
    """No header pretends to be a signature."""
    assert "X-Watchkeeper-Signature" not in sent(CONFIG).headers


def test_headers_of_the_settings_go_along_and_do_not_replace_ours() -> None:
    """An Authorization is sent; the key that receivers deduplicate on stays ours."""
    config = WebhookConfig(
        url=SecretStr("https://hooks.example/x"),
        headers={"Authorization": SecretStr("Bearer t"), "Idempotency-Key": SecretStr("mine")},
    )
    request = sent(config, key="0123:page:hook:0")

    assert (request.headers["Authorization"], request.headers["Idempotency-Key"]) == ("Bearer t", "0123:page:hook:0")


@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_any_text_can_be_sent(key: str, reason: str) -> None:
    """Names with other alphabets, quotes, line breaks: the document is strict JSON, the header is ASCII."""
    request = sent(CONFIG, key=key, reason=reason)

    assert json.loads(request.content)["key"] == key
    assert request.headers["Idempotency-Key"].isascii()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), None])
def test_numbers_that_are_not_there_are_null(number: float | None) -> None:
    """A strict parser at the other end must be able to read every page."""
    content = json.dumps(body_of(replace(a_notice(), numbers={"auc": number}))).encode()
    headers = {"content-type": "application/json", "idempotency-key": a_notice().key}

    assert violations_of(headers, content, secret=None) == []


def test_secrets_are_not_in_the_configs_text() -> None:
    """A config that is printed or logged shows none."""
    config = WebhookConfig(
        url=SecretStr("https://hooks.example/canary"), secret=SecretStr("canary"), headers={"A": SecretStr("canary")}
    )

    assert "canary" not in f"{config!r} {config} {config.model_dump_json()} {WebhookNotifier(config)!r}"
    assert host_of(config.url.get_secret_value()) == "https://hooks.example"

"""What is particular to single executors: signatures and replays, the race for an alias, args, and what a rehearsal prints."""

from __future__ import annotations

import pytest

from alerting.errors import DeliveryError
from alerting.rollbacks.command import Sending
from alerting.routes import check_args, check_executors
from tests.doubles.alerting import NOON, Time, a_command
from tests.doubles.deployer import Deployer
from tests.doubles.worlds import CANARY, built, mlflow, webhook


class TestWebhook:
    """A serving system of one's own."""

    def test_a_recorded_request_does_nothing_again(self) -> None:
        """Sent again at once it is a key that was obeyed; sent later its signature is too old."""
        with webhook() as world:
            assert isinstance(world.stand, Deployer)
            world.executor.execute(a_command(args={"region": "eu"}))
            recorded = next(request for request in world.stand.requests if request.method == "POST")
            world.stand.versions["loan-approval"] = "8"
            world.stand.serve(recorded)
            world.stand.clock = lambda: NOON + 301

            assert world.stand.versions == {"loan-approval": "8"}
            assert world.stand.violations_of(recorded) == ["the signature is too old"]

    def test_a_changed_request_does_not_fit_its_signature(self) -> None:
        """The body is signed, and so is what is asked."""
        with webhook() as world:
            assert isinstance(world.stand, Deployer)
            world.executor.execute(a_command(args={"region": "eu"}))
            world.stand.secret = "another"

            assert {tuple(world.stand.violations_of(request)) for request in world.stand.requests} == {
                ("the signature does not fit",)
            }

    def test_without_status_it_is_sent_and_believed_of_live_traffic_only(self) -> None:
        """Nothing can be read, so nothing is claimed; a repetition is the receiver's to recognise."""
        with Deployer(CANARY, Time(), {"loan-approval": "8"}) as stand:
            executor = built({"kind": "webhook", "url": f"{stand.address}/deploy/rollback", "secret": CANARY})
            command = a_command(args={"region": "eu"})

            assert not executor.already_done(command)
            assert executor.execute(command) == "order to take loan-approval from 8 to 7 was taken"
            executor.execute(command)
            assert (list(stand.obeyed.values()), stand.violations) == ([("loan-approval", "7")], [])

    def test_an_order_that_is_taken_and_not_obeyed_is_a_failure(self) -> None:
        """It is tried again, until patience ends and a person is paged."""
        with webhook() as world:
            assert isinstance(world.stand, Deployer)
            world.stand.obeyed["i:rollback:kafka:0"] = ("another", "7")
            with pytest.raises(
                DeliveryError, match="the order was taken, but loan-approval is not at version 7 after 30 s"
            ) as caught:
                world.executor.execute(a_command(args={"region": "eu"}))

        assert not caught.value.permanent

    def test_a_rehearsal_shows_neither_the_path_nor_the_signature(self) -> None:
        """A path of the user's may be a secret, a fresh signature is one."""
        with webhook() as world:
            assert world.stand is not None
            sending = world.executor.plan(a_command(args={"region": "eu"})).sendings[0]

            assert sending.text().splitlines()[:6] == [
                f"POST {world.stand.address}/***",
                "Content-Type: application/json",
                "Idempotency-Key: i:rollback:kafka:0",
                "Authorization: ***",
                "X-Watchkeeper-Timestamp: ***",
                "X-Watchkeeper-Signature: ***",
            ]

    def test_a_key_of_the_signature_that_can_be_guessed_is_refused(self) -> None:
        """What moves traffic is signed, and not with four letters."""
        settings = {"kind": "webhook", "url": "https://d.example", "secret": "abcd"}

        assert check_executors({"d": settings}) == [
            "executors.d.secret: Value should have at least 16 items after validation, not 4"
        ]


class TestMlflow:
    """A registry's alias."""

    def test_who_moves_the_alias_at_the_same_moment_is_seen_afterwards(self) -> None:
        """Between reading and moving nothing can be seen; the second reading tells, and a person hears of it."""
        with mlflow() as world:
            move = world.stand
            assert move is not None
            original = move.serve

            def serve(request: object) -> object:
                answer = original(request)  # type: ignore[arg-type]  # a request, handed through
                if world.moved():
                    assert world.meddle is not None
                    world.meddle()
                return answer

            move.serve = serve  # type: ignore[method-assign,assignment]  # somebody else acts right after us
            with pytest.raises(DeliveryError, match="was moved to 7, and is at 9 now") as caught:
                world.executor.execute(a_command())

        assert caught.value.permanent

    @pytest.mark.parametrize(
        ("target", "status", "reason"),
        [("5", "READY", "version 5 of loan-approval is not in the registry"), ("6", "PENDING_REGISTRATION", "not READY")],
    )
    def test_a_target_that_cannot_serve_is_refused(self, target: str, status: str, reason: str) -> None:
        """Nothing is moved to nowhere."""
        with mlflow() as world:
            world.switch.statuses["6"] = status
            with pytest.raises(DeliveryError, match=reason) as caught:
                world.executor.execute(a_command(target=target))

        assert (caught.value.permanent, world.moved()) == (True, [])

    def test_an_alias_that_does_not_exist_is_refused(self) -> None:
        """A misspelt one, for example."""
        with mlflow() as world, pytest.raises(DeliveryError, match="there is no alias champoin of loan-approval") as caught:
            world.executor.execute(a_command(args={"alias": "champoin"}))

        assert caught.value.permanent

    def test_a_model_that_the_registry_does_not_know_was_not_rolled_back(self) -> None:
        """That is known, so it is a no."""
        with mlflow() as world:
            assert not world.executor.already_done(a_command(model="another"))

    def test_args_with_mistakes_are_refused_before_anything_is_asked(self) -> None:
        """With the key that is wrong."""
        with mlflow() as world:
            with pytest.raises(DeliveryError, match=r"respond\.rollback\.args\.alais: Extra inputs") as caught:
                world.executor.execute(a_command(args={"alais": "champion"}))

            assert (caught.value.permanent, world.switch.attempts) == (True, 0)


def test_args_are_checked_against_the_executor_of_that_name() -> None:
    """A guardrail file and the settings must agree."""
    executors = {"registry": {"kind": "mlflow", "url": "https://m.example"}}

    assert check_args("registry", {"name": "fraud", "alias": "champion"}, executors) == []
    assert check_args("registry", {"alias": ""}, executors) == [
        "respond.rollback.args.alias: String should have at least 1 character"
    ]
    assert check_args("kafka", {"x": 1}, executors) == ["respond.rollback.args.x: Extra inputs are not permitted"]
    assert check_args("nowhere", {"x": 1}, executors) == []


def test_a_sending_prints_as_requests_are_printed() -> None:
    """Line, headers, an empty line, body."""
    assert Sending(method="APPEND", to="a topic", body="{}").text() == "APPEND a topic\n\n{}"
    assert Sending(method="GET", to="http://h/x", body="", headers={"A": "b"}).text() == "GET http://h/x\nA: b"

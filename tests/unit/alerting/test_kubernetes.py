"""Executors for Kubernetes: which patch leads where, what is refused, and who they are to the API server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from alerting.errors import DeliveryError
from alerting.rollbacks import Executor, RollbackCommand
from alerting.routes import check_args
from tests.doubles.alerting import a_command
from tests.doubles.kubernetes import (
    REVISIONS,
    ROLLOUT,
    SERVICE,
    SETS,
    SOURCE,
    Argo,
    Kserve,
    Kubernetes,
    a_rollout,
    a_service,
    a_template,
    a_uri,
)
from tests.doubles.stand import Answer
from tests.doubles.worlds import built

TOKEN = "canary-0123456789"
URI = {"storage_uri": "s3://models/loan/{version}"}


@contextmanager
def a_cluster(kind: str, objects: dict[str, Any], controller: Argo | Kserve) -> Iterator[tuple[Kubernetes, Executor]]:
    """A cluster, and the executor for it."""
    with Kubernetes(TOKEN, objects, controller) as stand:
        settings = {"kind": kind, "server": stand.address, "token": TOKEN, "namespace": "models", "settle": 3}
        yield stand, built(settings)
    assert stand.violations == []


def argo(version: str, stable: str, controller: Argo | None = None) -> Any:  # noqa: ANN401  # a context manager
    """A cluster with a Rollout."""
    return a_cluster("argo_rollouts", a_rollout(version, stable), controller or Argo())


def kserve(objects: dict[str, Any], controller: Kserve | None = None) -> Any:  # noqa: ANN401  # a context manager
    """A cluster with an InferenceService."""
    return a_cluster("kserve", objects, controller or Kserve())


def refused(act: Callable[[RollbackCommand], object], command: RollbackCommand) -> str:
    """The sentence with which it was refused for good."""
    with pytest.raises(DeliveryError) as caught:
        act(command)
    assert caught.value.permanent
    return str(caught.value)


class TestArgoRollouts:
    """Abort while it rolls out, undo after."""

    def test_an_abort_is_the_documented_patch(self) -> None:
        """The mark, on the object as it was read, then the abort."""
        with argo("8", stable="7") as (stand, executor):
            sent = executor.plan(a_command()).sendings

            assert [(one.method, one.to.removeprefix(stand.address), one.headers["Content-Type"], one.body) for one in sent] == [
                (
                    "PATCH",
                    ROLLOUT,
                    "application/merge-patch+json",
                    '{"metadata":{"resourceVersion":"100","annotations":{"watchkeeper/rollback":"i:rollback:kafka:0"}}}',
                ),
                ("PATCH", f"{ROLLOUT}/status", "application/merge-patch+json", '{"status":{"abort":true}}'),
            ]

    def test_an_undo_puts_the_template_back_and_promotes_it(self) -> None:
        """Of its own ReplicaSets the target's, without the controller's hash; other annotations stay."""
        with argo("8", stable="8") as (stand, executor):
            told = executor.execute(a_command())
            rollout = stand.objects[ROLLOUT]

        assert told == "Rollout models/loan-approval has gone back to version 7"
        assert rollout["spec"]["template"] == a_template("7")
        assert rollout["metadata"]["annotations"] == {"team": "credit", "watchkeeper/rollback": "i:rollback:kafka:0"}
        assert rollout["status"]["stableRS"] == "h7"

    def test_an_undo_may_walk_the_steps(self) -> None:
        """Who wants that says `full: false`; it is then believed when the controller has begun."""
        with argo("8", stable="8") as (stand, executor):
            executor.execute(a_command(args={"full": False}))

            assert stand.objects[ROLLOUT]["status"]["stableRS"] == "h8"
            assert executor.already_done(a_command(args={"full": False}))

    def test_an_abort_that_would_lead_elsewhere_is_refused(self) -> None:
        """The stable version is not the one that is known to be good."""
        with argo("8", stable="6") as (stand, executor):
            assert refused(executor.execute, a_command()) == (
                "to abort Rollout models/loan-approval would lead to version 6, not 7; nothing was done"
            )
            assert stand.bodies == []

    def test_a_target_whose_replica_set_is_gone_is_refused(self) -> None:
        """Old revisions are cleaned up; another Rollout's are none of ours."""
        with argo("8", stable="8") as (stand, executor):
            del stand.objects[f"{SETS}7"]

            assert "no ReplicaSet of version 7 any more; nothing was done" in refused(executor.execute, a_command())

    def test_a_rollout_that_does_not_exist_is_refused(self) -> None:
        """A misspelt name, for example."""
        with argo("8", stable="7") as (_, executor):
            assert (
                refused(executor.execute, a_command(args={"name": "laon"})) == "there is no Rollout models/laon; nothing was done"
            )
            assert not executor.already_done(a_command(args={"name": "laon"}))

    def test_names_cannot_leave_their_place_in_the_path(self) -> None:
        """A model's name comes from a file of other people."""
        with argo("8", stable="7") as (stand, executor):
            refused(executor.execute, a_command(model="../../secrets/x"))

            assert stand.requests[0].path.endswith("/rollouts/..%2F..%2Fsecrets%2Fx")

    def test_a_controller_that_does_not_obey_is_a_failure(self) -> None:
        """The patch was taken, the traffic was not moved: tried again without a second patch, and in the end a page."""
        controller = Argo()
        with argo("8", stable="8", controller=controller) as (stand, executor):
            controller.working = False
            for _ in range(2):
                with pytest.raises(DeliveryError, match="after 3 s") as caught:
                    executor.execute(a_command(args={"full": False}))
                assert not caught.value.permanent

            assert len(stand.bodies) == 1

    def test_a_change_in_between_is_seen_and_read_again(self) -> None:
        """The patch names the version of the object that it was decided on."""
        with argo("8", stable="8") as (stand, executor):
            stand.script.extend([None, None, Answer(409)])
            with pytest.raises(DeliveryError, match="changed meanwhile") as caught:
                executor.execute(a_command())

            assert not caught.value.permanent
            assert "7" in executor.execute(a_command())

    def test_a_definition_without_the_status_subresource_takes_the_patch_itself(self) -> None:
        """Older installations keep the status in the object."""
        with argo("8", stable="7") as (stand, executor):
            stand.script.extend([None, None, None, Answer(404)])
            with pytest.raises(DeliveryError, match="answered 400"):
                executor.execute(a_command())

            assert stand.requests[-1].path == ROLLOUT
            assert stand.violations == ["status is dropped here"]
            stand.violations.clear()


class TestKserve:
    """Canaries, promoted models, and the list of Standard mode."""

    def test_a_canary_loses_its_traffic(self) -> None:
        """To the revision before it, after it was seen to hold the target."""
        with kserve(a_service("8", percent=10)) as (stand, executor):
            sent = executor.plan(a_command(args=URI)).sendings
            assert executor.execute(a_command(args=URI)) == "InferenceService models/loan-approval serves version 7"

            metadata = '{"resourceVersion":"100","annotations":{"watchkeeper/rollback":"i:rollback:kafka:0"}}'
            spec = '{"predictor":{"canaryTrafficPercent":0}}'
            assert [one.body for one in sent] == [f'{{"metadata":{metadata},"spec":{spec}}}']
            assert stand.objects[SERVICE]["status"]["components"]["predictor"]["traffic"] == [
                {"revisionName": "loan-approval-predictor-7", "percent": 100}
            ]

    def test_a_promoted_model_gets_its_address_back(self) -> None:
        """A percentage of nothing would do nothing."""
        with kserve(a_service("8")) as (stand, executor):
            executor.execute(a_command(args=URI))

            assert stand.objects[SERVICE]["spec"]["predictor"]["model"]["storageUri"] == a_uri("7")

    def test_without_knative_a_percentage_means_nothing(self) -> None:
        """There the address is put back, and the percentage removed."""
        objects = a_service("8", percent=10)
        objects[SERVICE]["metadata"]["annotations"] = {"serving.kserve.io/deploymentMode": "RawDeployment"}
        with kserve(objects) as (stand, executor):
            executor.execute(a_command(args=URI))

            predictor = stand.objects[SERVICE]["spec"]["predictor"]
            assert (predictor["model"]["storageUri"], "canaryTrafficPercent" in predictor) == (a_uri("7"), False)

    @pytest.mark.parametrize("annotations", [{SOURCE: a_uri("5")}, {}])
    def test_a_canary_whose_end_would_lead_elsewhere_is_left(self, annotations: dict[str, str]) -> None:
        """The revision before it holds another version, or does not say which."""
        objects = a_service("8", percent=10)
        objects[f"{REVISIONS}7"]["metadata"]["annotations"] = annotations
        with kserve(objects) as (stand, executor):
            assert "would lead to revision loan-approval-predictor-7" in refused(executor.execute, a_command(args=URI))
            assert stand.bodies == []

    def test_a_service_that_does_not_become_ready_is_a_failure(self) -> None:
        """A model takes its time to load; until patience ends that is no alarm."""
        controller = Kserve()
        with kserve(a_service("8"), controller) as (stand, executor):
            controller.working = False
            for _ in range(2):
                with pytest.raises(DeliveryError, match="does not serve version 7 alone after 3 s") as caught:
                    executor.execute(a_command(args=URI))
                assert not caught.value.permanent

            assert len(stand.bodies) == 1

    def test_a_service_that_does_not_exist_is_refused(self) -> None:
        """And was not rolled back."""
        with kserve(a_service("8")) as (_, executor):
            command = a_command(args={**URI, "namespace": "elsewhere"})

            assert refused(executor.execute, command) == "there is no InferenceService elsewhere/loan-approval; nothing was done"
            assert not executor.already_done(command)

    def test_an_address_must_hold_the_version(self) -> None:
        """Else all versions would be one."""
        executors = {"cluster": {"kind": "kserve"}}

        assert check_args("cluster", {"storage_uri": "s3://models/loan"}, executors) == [
            "respond.rollback.args.storage_uri: must contain {version}"
        ]
        assert check_args("cluster", {}, executors) == ["respond.rollback.args.storage_uri: Field required"]


def test_the_token_is_read_anew_for_each_request(tmp_path: Path) -> None:
    """The kubelet rotates it; one that cannot be read is a temporary failure that names the file and not the token."""
    with Kubernetes(TOKEN, a_rollout("8", stable="7"), Argo()) as stand:
        file = tmp_path / "token"
        settings = {"kind": "argo_rollouts", "server": stand.address, "token_file": str(file), "namespace": "models"}
        executor = built(settings)
        with pytest.raises(DeliveryError, match="cannot be read") as caught:
            executor.already_done(a_command())
        assert not caught.value.permanent

        file.write_text(f"{TOKEN}\n")
        assert not executor.already_done(a_command())
        file.write_text("old")
        with pytest.raises(DeliveryError, match="answered 401"):
            executor.already_done(a_command())


def test_in_a_pod_the_server_is_that_of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing need be said."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    with pytest.raises(DeliveryError, match="token of the service account"):
        built({"kind": "kserve"}).already_done(a_command(args=URI))

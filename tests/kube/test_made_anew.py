"""What the server makes anew is left out of a comparison, and what somebody chose stays in it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from l7gw.kube.made_anew import ANEW, INVENTED, METADATA, RESTARTED, without_made_anew
from l7gw.kube.requestinfo import describe

PODS = describe("POST", "/api/v1/namespaces/dev/pods")
SERVICE = describe("PATCH", "/api/v1/namespaces/dev/services/web")
JOBS = describe("POST", "/apis/batch/v1/namespaces/dev/jobs")
DEPLOYMENT = describe("PATCH", "/apis/apps/v1/namespaces/dev/deployments/web")


@pytest.mark.parametrize("row", sorted(METADATA))
def test_metadata_of_the_server_is_left_out(row: str) -> None:
    found = without_made_anew(PODS, {"metadata": {"name": "a", "labels": {"a": "b"}, row: "x"}})
    assert found["metadata"] == {"name": "a", "labels": {"a": "b"}}


def test_a_name_is_left_out_where_the_server_makes_it() -> None:
    pod = {"metadata": {"name": "web-x7k2p", "generateName": "web-"}}
    assert without_made_anew(PODS, pod, named=False)["metadata"] == {"generateName": "web-"}
    assert without_made_anew(PODS, pod)["metadata"]["name"] == "web-x7k2p"


def test_the_volume_of_a_pods_token_is_left_out_with_its_mounts_and_nothing_else() -> None:
    mounts = [{"name": "kube-api-access-x7k2p", "mountPath": "/t"}, {"name": "data", "mountPath": "/d"}]
    pod: dict[str, Any] = {"spec": {"volumes": [{"name": "kube-api-access-x7k2p"}, {"name": "kube-api-access-mine"}]}}
    pod["spec"] |= {
        "containers": [{"name": "c", "volumeMounts": mounts}],
        "initContainers": [{"name": "i", "volumeMounts": mounts}],
    }
    before = copy.deepcopy(pod)
    found = without_made_anew(PODS, pod)["spec"]
    assert found["volumes"] == [{"name": "kube-api-access-mine"}]
    assert found["containers"][0]["volumeMounts"] == found["initContainers"][0]["volumeMounts"] == mounts[1:]
    assert pod == before


def test_what_a_caller_names_like_a_token_volume_is_not_left_out() -> None:
    """A volume of the host's files could be hidden from a reviewer by such a name."""
    volume = {"name": "kube-api-access-x7k2p", "hostPath": {"path": "/"}}
    mount = {"name": "kube-api-access-x7k2p", "mountPath": "/host"}
    pod: dict[str, Any] = {"spec": {"volumes": [volume], "containers": [{"name": "c", "volumeMounts": [mount]}]}}
    for more in ({"sent": b'{"name":"kube-api-access-x7k2p"}'}, {"sent": None}, {"before": {"spec": {"volumes": [volume]}}}):
        assert without_made_anew(PODS, pod, **more)["spec"] == pod["spec"]


def test_the_name_that_kubectl_debug_makes_is_the_same_each_time_and_no_other_is() -> None:
    def pod(*names: str) -> dict[str, Any]:
        return {"metadata": {}, "spec": {"ephemeralContainers": [{"name": name, "image": "i"} for name in names]}}

    stands = pod("debugger-x7k2p")
    act = describe("PATCH", "/api/v1/namespaces/dev/pods/web-0/ephemeralcontainers")
    found = [
        without_made_anew(act, pod("debugger-x7k2p", name), before=stands, sent=name.encode())["spec"]["ephemeralContainers"]
        for name in ("debugger-bbbbb", "debugger-99999", "debugger-mine1", "debugger-bbbbbb", "shell")
    ]
    assert found[0] == found[1] == [{"name": "debugger-x7k2p", "image": "i"}, {"name": INVENTED, "image": "i"}]
    assert [one[1]["name"] for one in found[2:]] == ["debugger-mine1", "debugger-bbbbbb", "shell"]


def test_a_value_that_a_json_patch_copies_is_not_left_out() -> None:
    assert without_made_anew(SERVICE, service(), sent=None)["spec"] == service()["spec"]


def test_a_given_port_that_becomes_another_is_not_left_out() -> None:
    """The server never changes one by itself."""
    found = without_made_anew(SERVICE, service("10.0.0.8", 30999), before=service())
    assert found["spec"] == service("10.0.0.8", 30999)["spec"]


def test_labels_of_a_job_that_were_chosen_are_not_left_out() -> None:
    job = {"spec": {"selector": {"matchLabels": {"controller-uid": "mine"}}}}
    assert without_made_anew(JOBS, job, sent=b'{"controller-uid":"mine"}')["spec"] == job["spec"]


@pytest.mark.parametrize("value", ["now", "2026-11-27T10:00:00Z; rm -rf", ""])
def test_what_is_no_time_of_a_restart_is_shown(value: str) -> None:
    template = {"metadata": {"annotations": {RESTARTED: value}}}
    assert without_made_anew(DEPLOYMENT, {"spec": {"template": template}})["spec"]["template"] == template


def service(address: str = "10.0.0.9", node_port: int = 30123) -> dict[str, Any]:
    return {"spec": {"clusterIP": address, "clusterIPs": [address], "ports": [{"port": 80, "nodePort": node_port}]}}


def test_addresses_and_ports_that_were_left_empty_are_left_out() -> None:
    found = without_made_anew(SERVICE, service(), sent=b'{"spec":{"ports":[{"port":80}]}}')
    assert found["spec"] == {"ports": [{"port": 80}]}


def test_addresses_and_ports_that_were_chosen_or_stood_before_stay() -> None:
    sent = b'{"spec":{"clusterIP":"10.0.0.9","ports":[{"port":80,"nodePort":30123}]}}'
    assert without_made_anew(SERVICE, service(), sent=sent)["spec"] == service()["spec"]
    assert without_made_anew(SERVICE, service(), before=service())["spec"] == service()["spec"]
    other = without_made_anew(SERVICE, service(), sent=b'{"spec":{"clusterIP":"10.0.0.99","ports":[{"nodePort":301234}]}}')
    assert other["spec"] == {"ports": [{"port": 80}]}


def test_the_labels_of_a_jobs_uid_are_left_out_and_of_its_name_where_that_is_made() -> None:
    labels = {"controller-uid": "u", "batch.kubernetes.io/controller-uid": "u", "job-name": "j-1", "app": "a"}
    selector = {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}
    job = {"metadata": {"name": "j-1"}, "spec": {"selector": selector, "template": {"metadata": {"labels": labels}}}}
    found = without_made_anew(JOBS, job)["spec"]
    assert found["selector"] == {"matchLabels": {}}
    assert found["template"]["metadata"]["labels"] == {"job-name": "j-1", "app": "a"}
    assert without_made_anew(JOBS, job, named=False)["spec"]["template"]["metadata"]["labels"] == {"app": "a"}


def test_a_restart_stays_one_without_its_time() -> None:
    template = {"metadata": {"annotations": {RESTARTED: "2026-11-27T10:00:00Z"}}}
    found = without_made_anew(DEPLOYMENT, {"spec": {"template": template}})
    assert found["spec"]["template"]["metadata"]["annotations"] == {RESTARTED: ANEW}


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("/apis/certificates.k8s.io/v1/certificatesigningrequests/a/approval", True),  # an approval is a condition of the status
        ("/api/v1/namespaces/dev/pods/web-0", False),
        ("/api/v1/namespaces/dev/pods/web-0/status", True),
        ("/api/v1/namespaces/dev/secrets/a", True),  # a kind without a status of the server's
        ("/apis/example.com/v1/namespaces/dev/crontabs/a", True),  # whether the server keeps it nobody can tell
    ],
)
def test_status_is_left_out_where_a_write_cannot_set_it(target: str, kept: bool) -> None:
    found = without_made_anew(describe("PUT", target), {"metadata": {}, "status": {"phase": "A"}}, before={})
    assert ("status" in found) is kept
    assert "status" in without_made_anew(describe("PUT", target), {"metadata": {}, "status": {"phase": "A"}})


def test_a_second_restart_is_no_empty_difference() -> None:
    """It restarts every pod, as the first one did."""

    def at(time: str) -> dict[str, Any]:
        annotated = {"metadata": {"annotations": {RESTARTED: time}}}
        return {**annotated, "spec": {"template": annotated}}

    stood, one, other = at("2026-11-27T10:00:00Z"), at("2026-11-27T11:00:00Z"), at("2026-11-27T12:00:00Z")
    before, first, second = (without_made_anew(DEPLOYMENT, found, before=stood) for found in (stood, one, other))
    assert before == stood and first == second
    assert first["metadata"] != before["metadata"] and first["spec"] != before["spec"]


@pytest.mark.parametrize("number", ["30123", "30123.0", "3.0123e4", "301230E-1"])
def test_a_port_is_chosen_however_its_number_is_written(number: str) -> None:
    """Of a strategic merge patch the API server takes each of them."""
    sent = f'{{"spec":{{"clusterIP":"10.0.0.9","ports":[{{"port":80,"nodePort":{number}}}]}}}}'.encode()
    assert without_made_anew(SERVICE, service(), sent=sent)["spec"] == service()["spec"]


def test_labels_of_a_jobs_uid_are_made_once_so_that_who_takes_them_away_later_is_seen() -> None:
    stood = {"metadata": {"labels": {"controller-uid": "u"}}, "spec": {"suspend": True}}
    bare = {"metadata": {"labels": {}}, "spec": {"suspend": True}}
    before, after = (without_made_anew(JOBS, found, before=stood) for found in (stood, bare))
    assert before == stood and after == bare


def test_an_object_that_has_other_shapes_is_taken_as_it_is() -> None:
    for act in (PODS, SERVICE, JOBS, DEPLOYMENT):
        assert without_made_anew(act, {"metadata": [], "spec": {"ports": None, "template": 3, "volumes": "x", "containers": 7}})

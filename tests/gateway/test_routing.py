"""The cluster of a request: by the TLS server name, by the path, or the only one there is; and no cluster in doubt."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from l7gw.errors import Refusal
from l7gw.gateway.routing import Routes
from l7gw.wire.events import Request


@dataclass(frozen=True)
class Named:
    name: str
    hosts: tuple[str, ...] = ()


PROD, DEV = Named("prod", ("prod.example.com", "prod.internal")), Named("dev", ("dev.example.com",))
BOTH = Routes([PROD, DEV])


def get(target: str, host: str = "gateway:8443") -> Request:
    return Request("GET", target, (("host", host),))


@pytest.mark.parametrize("server_name", ["prod.example.com", "PROD.internal"])
@pytest.mark.parametrize("host", ["prod.example.com", "prod.internal:8443", "10.0.0.1:6443", "[::1]:8443", "elsewhere"])
def test_a_server_name_chooses_its_cluster_and_leaves_the_path_alone(server_name: str, host: str) -> None:
    """A path that begins with the other cluster's name is a path of the cluster that the server name chose."""
    assert BOTH.choose(get("/dev/api?a=b", host), server_name) == (PROD, "/dev/api?a=b")


@pytest.mark.parametrize("host", ["dev.example.com", "dev.example.com:8443", "DEV.example.com:8443"])
def test_a_host_of_another_cluster_than_the_server_names_is_a_421(host: str) -> None:
    with pytest.raises(Refusal) as refused:
        BOTH.choose(get("/api", host), "prod.example.com")
    assert (refused.value.code, refused.value.reason) == (421, "MisdirectedRequest")


@pytest.mark.parametrize(
    ("target", "left"),
    [
        ("/dev/api/v1?a=b", "/api/v1?a=b"),
        ("/dev/", "/"),
        ("/dev", "/"),
        ("/dev?a=b", "/?a=b"),
        ("/dev?a=b/c", "/?a=b/c"),
        ("/dev//api", "//api"),
    ],
)
@pytest.mark.parametrize("server_name", ["", "gateway.example.com"])
def test_the_first_segment_of_the_path_chooses_a_cluster_and_is_taken_off(target: str, left: str, server_name: str) -> None:
    assert BOTH.choose(get(target), server_name) == (DEV, left)


def test_the_only_cluster_needs_no_name() -> None:
    assert Routes([DEV]).choose(get("/api"), "") == (DEV, "/api")
    assert Routes([DEV]).choose(get("/dev/api"), "") == (DEV, "/api")


@pytest.mark.parametrize("target", ["/api", "/", "/DEV/api", "/devs", "/%64ev/api"])
def test_a_request_that_names_none_of_several_clusters_is_a_404_that_names_none_either(target: str) -> None:
    with pytest.raises(Refusal) as refused:
        BOTH.choose(get(target), "")
    assert refused.value.code == 404
    assert not any(cluster.name in refused.value.message for cluster in (PROD, DEV))


def test_a_server_name_alone_tells_the_cluster_whatever_its_case() -> None:
    assert BOTH.of_host("DEV.example.com") is DEV
    assert BOTH.of_host("") is None and BOTH.of_host("gateway.example.com") is None


def test_the_address_of_a_cluster_is_that_by_which_its_caller_came_else_its_path() -> None:
    one = Routes([PROD])
    assert one.address(PROD, "prod.internal") == "https://prod.internal, with no path behind it"
    assert one.address(PROD, "") == one.address(PROD, "other") == "https://GATEWAY/prod or https://GATEWAY"
    assert Routes([PROD, DEV]).address(PROD, "gateway") == "https://GATEWAY/prod"

"""A usual line is read in a short way, and means exactly what it means part by part."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l7gw.errors import Refusal
from l7gw.kube import requestinfo
from l7gw.kube.act import Act
from tests.support import plain_requestinfo

Said = Act | tuple[int, str, str]

METHODS = ["GET", "GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get"]
PLACES = [
    "/api/v1",
    "/api/v1",
    "/api",
    "/apis/apps/v1",
    "/apis/x.example.com/v1beta1",
    "/apis/apps",
    "/apis/-a/v1",
    "/apis/a..b/v1",
    "/x",
    "",
]
WORDS = [
    "pods", "secrets", "deployments", "clusterroles", "namespaces", "status", "finalize", "watch", "proxy", "exec", "attach",
    "portforward", "log", "scale", "p", "web-0", "kube-system", "a.b", "system:node:n", ".", "..", "...", "..;x", "a;b", "Pods", "a%20b",
    "%2e", "%2f", "%C3%A9", "a~b", "a@b", "", "x" * 64,
]  # fmt: skip
KEYS = [
    "watch", "watch", "labelSelector", "fieldSelector", "fieldSelector", "container", "follow", "tty", "stdin", "command", "ports", "limit",
    "dryRun", "resourceVersion", "Watch", "x.y", "", "a%62",
]  # fmt: skip
VALUES = [
    "", "true", "false", "0", "1", "500", "app", "app%3Dweb", "app%3dweb", "a+b", "a%20b", "a%2Bb", "metadata.name%3Dp", "metadata.name=p",
    "metadata.name%3D..", "metadata.name%3Da%2Cmetadata.name%3Db", "metadata.name%3Da%252F", "metadata.name!%3Dp", "a%00", "a%C5%BF",
    "fal%C5%BFe", "%7E", "~", "%2D", "%5C", "%25", "%", "a;b", "a#b", "a[b]", "%3B", "a/b", "*",
]  # fmt: skip

pairs = st.one_of(
    st.builds("{}={}".format, st.sampled_from(KEYS), st.one_of(st.sampled_from(VALUES), st.text("ab=&%+;2FC3~-_.", max_size=6))),
    st.sampled_from(KEYS),
)
queries = st.one_of(st.just(""), st.lists(pairs, max_size=4).map(lambda found: "?" + "&".join(found)))
parts = st.lists(st.one_of(st.sampled_from(WORDS), st.text("az09.-:~;%2A@", max_size=5)), max_size=5).map("/".join)
paths = st.builds(
    lambda place, inside, rest, end: "/".join(filter(None, (place, inside, rest))) + end,
    st.sampled_from(PLACES),
    st.one_of(st.just(""), st.sampled_from(["namespaces/d", "namespaces/d", "namespaces", "watch"])),
    parts,
    st.sampled_from(["", "", "", "/", "//"]),
)
targets = st.builds("{}{}".format, paths, queries)


def said(describe: Callable[[str, str, str], Act], *line: str) -> Said:
    try:
        return describe(*line)
    except Refusal as refusal:
        return refusal.code, refusal.reason, refusal.message


@given(st.sampled_from(METHODS), targets, st.sampled_from(["", "", "", "websocket", "SPDY/3.1"]))
def test_a_line_means_what_it_means_part_by_part(method: str, target: str, upgrade: str) -> None:
    assert said(requestinfo.describe, method, target, upgrade) == said(plain_requestinfo.describe, method, target, upgrade)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_every_path_of_a_few_words_means_what_it_means_part_by_part(method: str) -> None:
    words = ["pods", "namespaces", "watch", "proxy", "status", "log", "exec", "a.b"]
    tails = ["", *(f"/{a}" for a in words), *(f"/{a}/{b}" for a in words for b in words)]
    tails += [f"/{a}/{b}/{c}" for a in words for b in words for c in words]
    for place in ("/api/v1", "/apis/apps/v1", "/api/v1/namespaces/d", "/apis/apps"):
        for tail in tails:
            for query in ("", "?watch=1", "?fieldSelector=metadata.name%3Dp&labelSelector=a%3Db&follow=true&container=c"):
                target = place + tail + query
                assert said(requestinfo.describe, method, target, "") == said(plain_requestinfo.describe, method, target, ""), (
                    target
                )


@pytest.mark.parametrize("count", [1, 2, 999, 1000, 1001])
def test_a_query_of_many_parameters_is_bounded_as_part_by_part(count: int) -> None:
    letters = "abcdefghij"
    keys = [f"{a}{b}{c}{d}" for a in letters for b in letters for c in letters for d in letters][:count]
    target = "/api/v1/pods?" + "&".join(f"{key}=1" for key in keys)
    assert said(requestinfo.describe, "GET", target, "") == said(plain_requestinfo.describe, "GET", target, "")


USUAL = [
    ("GET", "/api/v1/namespaces/dev/pods/web-0"),
    ("GET", "/api/v1/pods?limit=500"),
    ("GET", "/apis/apps/v1/namespaces/dev/deployments?labelSelector=app%3Dweb%2Ctier+in+%28a%2Cb%29"),
    ("GET", "/api/v1/namespaces/dev/pods?watch=true&resourceVersion=1&allowWatchBookmarks=true&timeoutSeconds=300"),
    ("GET", "/api/v1/namespaces/dev/pods/web-0/log?container=app&follow=true"),
    ("PATCH", "/apis/apps/v1/namespaces/dev/deployments/web/scale?fieldManager=kubectl-scale"),
    ("DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:x"),
]
UNUSUAL = [
    ("GET", "/version"),
    ("GET", "/api/v1/namespaces/dev"),
    ("GET", "/api/v1/pods/"),
    ("GET", "/api/v1/watch/pods"),
    ("GET", "/api/v1/pods?labelSelector=app=web"),
    ("GET", "/api/v1/pods?a=1&a=1"),
    ("POST", "/api/v1/namespaces/dev/pods/web-0/exec?command=ls"),
    ("GET", "/api/v1/namespaces/dev/pods/web-0/proxy/x"),
    ("OPTIONS", "/api/v1/pods"),
]


@pytest.mark.parametrize(("line", "short"), [*((line, True) for line in USUAL), *((line, False) for line in UNUSUAL)])
def test_what_usual_clients_send_takes_the_short_way(line: tuple[str, str], short: bool) -> None:
    assert (requestinfo.usual(*line) is not None) is short

"""The calls of kubectl's commands that go into a pod. Each reads the pod first."""

from __future__ import annotations

from l7gw.policy.kubectl.calls import NODES, PODS, SOME, Asked, Call
from l7gw.policy.kubectl.words import NotRead


def run_in(asked: Asked) -> list[Call]:
    behind = asked.words.behind
    argv = asked.arguments[1:] if behind is None else [*asked.arguments[1:], *behind]
    if not asked.arguments or not argv:
        raise NotRead("exec needs a pod and a command", "kubectl exec web-0 -- ls -l")
    return connected(asked, asked.arguments[0], "exec", [("command", word) for word in argv])


def attach(asked: Asked) -> list[Call]:
    if not asked.arguments:
        raise NotRead("attach needs a pod", "kubectl attach web-0")
    return connected(asked, asked.arguments[0], "attach", [])


def connected(asked: Asked, target: str, subresource: str, query: list[tuple[str, str]]) -> list[Call]:
    """The calls of an exec or attach: the pod is read, then its subresource is opened."""
    chosen = [(key, "true") for key in ("stdin", "tty") if asked.words.has(key)]
    container = asked.words.flag("container")
    query = [*([("container", container)] if container else []), *query, *chosen]
    found = asked.pods(target)
    return [*found, asked.call("create", PODS, found[-1].act.name or SOME, subresource, query, upgrade="SPDY/3.1")]


def cp(asked: Asked) -> list[Call]:
    """`cp` runs tar in the container: to read `tar cf - PATH`; to write `test -d PATH`, then `tar -xmf - -C FOLDER`, which reads
    stdin."""
    if len(asked.arguments) != 2:
        raise NotRead("cp needs a source and a destination", "kubectl cp dev/web-0:/var/log/app.log app.log")
    source, destination = asked.arguments
    downloads = ":" in source
    remote = source if downloads else destination
    pod, colon, path = remote.partition(":")
    if not colon or not pod or not path or (downloads and ":" in destination):
        raise NotRead("one of the two sides of cp must be in a pod", "kubectl cp dev/web-0:/var/log/app.log app.log")
    namespace, slash, name = pod.rpartition("/")
    if slash:
        asked.namespace = namespace
    if downloads:
        return [asked.call("get", PODS, name), _exec(asked, name, ["tar", "cf", "-", path])]
    folder = path.rstrip("/").rpartition("/")[0] or ("/" if path.startswith("/") else "")
    loose = ["--no-same-permissions", "--no-same-owner"] if asked.words.has("no-preserve") else []
    unpacks = ["tar", *loose, "-xmf", "-", *(["-C", folder] if folder else [])]
    tests = _exec(asked, name, ["test", "-d", path])
    return [asked.call("get", PODS, name), tests, _exec(asked, name, unpacks, [("stdin", "true")])]


def _exec(asked: Asked, pod: str, argv: list[str], more: list[tuple[str, str]] | None = None) -> Call:
    query = [*(("command", word) for word in argv), *(more or ())]
    return asked.call("create", PODS, pod, "exec", query, upgrade="SPDY/3.1")


def port_forward(asked: Asked) -> list[Call]:
    if len(asked.arguments) < 2:
        raise NotRead("port-forward needs a pod and a port", "kubectl port-forward web-0 8080:80")
    found = asked.pods(asked.arguments[0])
    name = found[-1].act.name or SOME
    read = [asked.call("get", PODS, SOME)] if name == SOME else []
    return [*found, *read, asked.call("create", PODS, name, "portforward", upgrade="SPDY/3.1")]


def debug(asked: Asked) -> list[Call]:
    if not asked.arguments:
        raise NotRead("debug needs a pod", "kubectl debug web-0 --image busybox")
    target = asked.arguments[0]
    on_node = target.startswith(("node/", "nodes/", "no/"))
    if on_node or asked.words.flag("copy-to"):
        first = asked.call("get", NODES, target.partition("/")[2]) if on_node else asked.pods(target)[-1]
        return [first, asked.call("create", PODS), *_joined(asked, SOME if on_node else asked.words.flag("copy-to"))]
    found = asked.pods(target)
    name = found[-1].act.name or SOME
    return [*found, asked.call("patch", PODS, name, "ephemeralcontainers"), *_joined(asked, name)]


def _joined(asked: Asked, name: str) -> list[Call]:
    """With -i or --attach, the calls that join the container once it runs, or read its log where it has ended already."""
    return joined(asked, name) if asked.words.has("stdin") or asked.words.has("attach") else []


def joined(asked: Asked, name: str) -> list[Call]:
    """The pod is waited for, then joined. Its log is read where it had ended by then."""
    chosen = [("fieldSelector", f"metadata.name={name}")] if name != SOME else []
    attached = [("stdin", "true")] * asked.words.has("stdin") + [("tty", "true")] * asked.words.has("tty")
    return [
        asked.call("list", PODS, query=chosen),
        asked.call("watch", PODS, query=chosen),
        asked.call("create", PODS, name, "attach", attached, upgrade="SPDY/3.1"),
        asked.call("get", PODS, name, "log", spare=True),
    ]

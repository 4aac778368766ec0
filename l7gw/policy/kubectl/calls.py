"""One call of a kubectl command, and how it is made from what the command says."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import msgspec

from l7gw.config.document import shown
from l7gw.errors import Refusal
from l7gw.kube.act import Act
from l7gw.kube.requestinfo import describe
from l7gw.policy.kubectl.manifests import Manifest
from l7gw.policy.kubectl.resources import Resource, resource_of, resource_of_kind
from l7gw.policy.kubectl.words import NotRead, Words

# Stands in a path for the name of an object that only the cluster knows, as of the pods of a deployment. No object has it.
SOME = "-"
METHODS = {"get": "GET", "list": "GET", "watch": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}


class Call(msgspec.Struct, frozen=True):
    """One request. `act.name` is "" where only the cluster knows the name. `object` is what is sent, None where that is not known
    or where nothing is sent. `spare`: the command goes on without it where it is refused."""

    method: str
    act: Act
    object: object = None
    spare: bool = False


class Asked:
    """A command in reading: its words, the namespace that it is about, and the objects of its file."""

    def __init__(self, words: Words, objects: list[Manifest] | None) -> None:
        """`objects` are those of the file behind -f, None where there is none."""
        self.words = words
        self.objects = objects
        self.arguments = list(words.arguments[1:])
        everywhere = words.has("all-namespaces")
        self.namespace = None if everywhere else words.flag("namespace") or "default"
        dry_run = words.flag("dry-run")
        self.client_only = dry_run in ("client", "true", "unchanged")
        self._query = [("dryRun", "All")] if dry_run == "server" else []

    def call(
        self, verb: str, resource: Resource, name: str = "", subresource: str = "", query: list[tuple[str, str]] | None = None,
        *, sent: object = None, namespace: str | None = "", upgrade: str = "", spare: bool = False,
    ) -> Call:  # fmt: skip
        """A call about an object or, without a name, about a collection. `namespace` "" is that of the command, None is all."""
        place = self.namespace if namespace == "" else namespace
        writes = verb not in ("get", "list", "watch") and not upgrade
        pairs = [*(query or ()), *(self._query if writes else ())]
        if verb == "watch":
            pairs.append(("watch", "true"))
        path = path_of(resource, place, name, subresource)
        act = described(METHODS[verb], path, pairs, upgrade)
        if name == SOME:
            act = msgspec.structs.replace(act, name="", verb=verb)
        return Call(METHODS[verb], act, sent, spare)

    def named(self, arguments: list[str], *, some: bool = False) -> list[tuple[Resource, str]]:
        """Resources and names from `pods a b`, `pod/a svc/b` or `pods,services`. The name is "" of all objects; with `some` it
        is SOME where a selector or --all chooses them. Raises NotRead where none is named."""
        if self.objects is not None:
            return [self.of(one) for one in self.objects]
        if not arguments:
            raise NotRead("the command names no resource", "such as pods/web-0")
        selects = self.words.has("all") or bool(self.words.flag("selector") or self.words.flag("field-selector"))
        if "/" in arguments[0]:
            found = []
            for word in arguments:
                base, slash, name = word.partition("/")
                if not slash or not name or "/" in name:
                    raise NotRead(f"{shown(word)} is no resource and name", "such as pods/web-0")
                found.append((resource_of(base), name))
            return found
        resources = [resource_of(word) for word in arguments[0].split(",")]
        if len(arguments) > 1:
            return [(resource, name) for resource in resources for name in arguments[1:]]
        if some and not selects:
            raise NotRead("the command names no object", "such as pods/web-0")
        return [(resource, SOME if some else "") for resource in resources]

    def of(self, manifest: Manifest) -> tuple[Resource, str]:
        """The resource and the name of an object; the name is SOME where the cluster makes it."""
        group = str(manifest["apiVersion"]).rpartition("/")[0]
        name = (manifest.get("metadata") or {}).get("name")
        return resource_of_kind(str(manifest["kind"]), group), name if isinstance(name, str) and name else SOME

    def place_of(self, manifest: Manifest) -> str | None:
        """The namespace of an object: its own, else that of the command."""
        said = (manifest.get("metadata") or {}).get("namespace")
        return said if isinstance(said, str) and said else self.namespace or "default"

    def pods(self, target: str) -> list[Call]:
        """The calls that find the pod behind `web-0`, `pod/web-0` or `deploy/web`. The name of the last one's act is the pod's, ""
        where only the cluster knows it."""
        base, slash, name = target.partition("/")
        if not slash or resource_of(base) == PODS:
            return [self.call("get", PODS, name if slash else target)]
        return [self.call("get", resource_of(base), name), self.call("list", PODS)]


PODS, NODES = Resource("pods"), Resource("nodes")


def path_of(resource: Resource, namespace: str | None, name: str, subresource: str) -> str:
    """The path of a request. `namespace` None is all namespaces; it does not count for what is in none."""
    segments = ["apis", resource.group, "v1"] if resource.group else ["api", "v1"]
    if namespace is not None and resource.namespaced:
        segments += ["namespaces", namespace]
    segments += [segment for segment in (resource.plural, name, subresource) if segment]
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def described(method: str, path: str, query: list[tuple[str, str]], upgrade: str = "") -> Act:
    """The act of a request. Raises NotRead for one that the gateway refuses before it asks the policy."""
    target = f"{path}?{urlencode(query)}" if query else path
    try:
        return describe(method, target, upgrade)
    except Refusal as refusal:
        raise NotRead(f"the gateway refuses {method} {shown(target)} before it asks the policy: {refusal.message}") from None

"""The call that `policy explain VERB RESOURCE[/NAME]` asks about, as the client would send it."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import click
import msgspec

from l7gw.config.document import LARGEST, nearest
from l7gw.errors import Refusal
from l7gw.kube.act import Act, acting
from l7gw.kube.acting_as import identity
from l7gw.kube.builtin import BUILT_IN, CLUSTER_SCOPED
from l7gw.kube.requestinfo import describe
from l7gw.policy.cases import kubectl_calls
from l7gw.policy.kubectl.calls import Call
from l7gw.policy.kubectl.commands import COMMANDS
from l7gw.policy.kubectl.manifests import Manifest, objects_in, objects_of
from l7gw.policy.kubectl.resources import resource_of
from l7gw.policy.kubectl.words import CannotTell, MakesNoCall, NotRead, words_of
from l7gw.policy.vocabulary import KUBECTL, SPELLINGS, VERBS

HELP_OF_KUBECTL = "`kubectl COMMAND --help` says how it is written"
METHODS = {
    **dict.fromkeys(("get", "list", "watch", "head"), "GET"),
    **dict.fromkeys(("delete", "deletecollection"), "DELETE"),
    "create": "POST",
    "post": "POST",
    "update": "PUT",
    "put": "PUT",
    "patch": "PATCH",
    "options": "OPTIONS",
    "exec": "POST",
    "attach": "POST",
    "portforward": "POST",
    "proxy": "GET",
}
NODES = ("drain", "cordon", "uncordon")
PODS = ("logs", "log", "attach", "port-forward", "debug")
NAMES_FIRST = (*NODES, *PODS, "exec", "cp")  # kubectl's commands whose first word is an object's name, and no resource
EXAMPLES = {  # of the words behind kubectl's commands, where they are no resource
    **dict.fromkeys(NODES, "node-1"),
    **dict.fromkeys(PODS, "web-0"),
    "exec": "web-0 -- ls -l",
    "cp": "web-0:/etc/motd motd",
    **dict.fromkeys(("apply", "replace", "diff"), "-f web.yaml"),
    "rollout": "restart deployment web",
    "auth": "can-i get pods",
}
COLLECTIVE = ("create", "deletecollection")  # their path names no object; a create's is in the body, which policy cannot read


@dataclass(frozen=True)
class Typed:
    """What `policy explain` is asked about, as its options and words say it."""

    namespace: str | None
    all_namespaces: bool
    subresource: str | None
    stdin: bool
    tty: bool
    verb: str
    resource: str
    argv: tuple[str, ...]
    sent: Path | None
    as_user: str
    as_groups: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """The words behind `kubectl`, of a kubectl command."""
        return [word for word in (self.resource, *self.argv) if word] if self.verb == "kubectl" else []

    @property
    def command(self) -> str:
        """The kubectl command; "" of a verb and a resource."""
        return shlex.join(("kubectl", *self.words)) if self.verb == "kubectl" else ""

    @property
    def context(self) -> str:
        """What kubectl's `--context` names; "" for nothing."""
        with suppress(NotRead):
            return words_of(self.words).flag("context")
        return ""

    def calls(self) -> list[Call]:
        """The calls. Raises UsageError, and MakesNoCall or CannotTell of a kubectl command."""
        if self.namespace is not None and self.all_namespaces:
            raise click.UsageError("-n and -A exclude each other\n  hint: -A is every namespace")
        if self.verb == "kubectl":
            return _as(self._of_kubectl(), self.as_user, self.as_groups)
        if not self.resource:
            raise click.UsageError(f"{self.verb} names no resource\n  hint: {self._hint()}")
        namespace = None if self.all_namespaces else self.namespace or "default"
        method, target = request_of(self, namespace)
        call = Call(method, act_of(method, target), objects(self.sent)[0] if self.sent is not None else None)
        return _as([call], self.as_user, self.as_groups)

    def _of_kubectl(self) -> list[Call]:
        """The calls of a kubectl command. What stands before `kubectl` of -n and -A counts too."""
        before = ["--all-namespaces"] if self.all_namespaces else []
        before += [f"--namespace={self.namespace}"] if self.namespace is not None else []
        try:
            return kubectl_calls([*before, *self.words], self._objects(), Path())
        except (MakesNoCall, CannotTell):
            raise
        except NotRead as error:
            raise click.UsageError(f"{error}\n  hint: {error.hint or HELP_OF_KUBECTL}") from None

    def _objects(self) -> list[Manifest] | None:
        """What a kubectl command sends: from this command's own -f, or from stdin where kubectl's is `-f -`."""
        if self.sent is not None:
            return objects(self.sent)
        if "-" not in words_of(self.words).flags.get("filename", ()):
            return None
        if sys.stdin.isatty():
            raise click.UsageError(
                "-f - reads the objects from stdin, which is a terminal\n  hint: name the file, or put it behind <"
            )
        return objects_in(sys.stdin.buffer.read(LARGEST + 1), "stdin")

    def _hint(self) -> str:
        """The kubectl command that was meant, where what was typed is one."""
        typed = shlex.join(word for word in (self.verb, self.resource, *self.argv) if word)
        if self.verb in COMMANDS:
            own = f"kubectl's own command: -- kubectl {typed} {EXAMPLES.get(self.verb, 'pods')}"
            return f"{own}; or a verb and a resource: {self.verb} pods/web-0" if self.verb in METHODS else own
        return f"such as get pods, or a whole command: -- kubectl get pods -n {self.namespace or 'dev'}"


def act_of(method: str, target: str) -> Act:
    """The act of a request. Raises UsageError for one that the gateway refuses."""
    try:
        return describe(method, target)
    except Refusal as refusal:
        raise click.UsageError(f"the gateway refuses {method} {target} before it asks the policy: {refusal.message}") from None


def request_of(typed: Typed, namespace: str | None) -> tuple[str, str]:
    """Method and target of the request that the client would make. `namespace` None is all. Raises UsageError."""
    verb, resource, argv, stdin, tty = typed.verb, typed.resource, typed.argv, typed.stdin, typed.tty
    verb, of_verb = KUBECTL.get(verb, (verb, verb if verb in ("exec", "attach", "portforward", "proxy") else ""))
    if verb not in METHODS:
        near = nearest(verb, [*VERBS, *KUBECTL])
        hint = f"did you mean {near}?" if near else "such as get, list, delete, exec, logs, port-forward"
        hint = f"{hint}; a whole command stands behind -- kubectl"
        if verb in COMMANDS:
            hint = f"it is kubectl's command: -- kubectl {shlex.join((verb, resource, *argv))}"
        raise click.UsageError(f"{verb!r} is no verb\n  hint: {hint}")
    if resource.startswith("/"):
        return METHODS[verb] if verb != "head" else "HEAD", resource
    subresource = typed.subresource or of_verb
    plural, _, name = resource.partition("/")
    _check_resource(typed, plural)
    _check_command(typed, verb, subresource, name)
    full = SPELLINGS.get(plural, plural)
    base, _, group = full.partition(".")
    segments = ["apis", group, "v1"] if group else ["api", "v1"]
    if namespace is not None and base not in CLUSTER_SCOPED:
        segments += ["namespaces", namespace]
    segments.append(base)
    query: list[tuple[str, str]] = []
    if name and verb in ("list", "watch"):
        query.append(("fieldSelector", f"metadata.name={name}"))
    elif name and (verb not in COLLECTIVE or subresource):
        segments.append(name)
    if subresource:
        segments.append(subresource)
    if verb == "watch":
        query.append(("watch", "true"))
    query += [("command", argument) for argument in argv]
    query += [(key, "true") for key, given in (("stdin", stdin), ("tty", tty)) if given]
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    return METHODS[verb], f"{path}?{urlencode(query)}" if query else path


def _check_resource(typed: Typed, plural: str) -> None:
    """Raises UsageError for a word that is none of Kubernetes' own resources and has no group: it may be an object's name."""
    if "." in plural or plural in SPELLINGS or any(plural == name for _, name in BUILT_IN):
        return
    try:
        resource_of(plural)
    except NotRead as error:
        between = ["--"] if typed.verb == "exec" and typed.argv else []
        rest = shlex.join((typed.verb, typed.resource, *between, *typed.argv))
        if typed.verb in NAMES_FIRST and "/" not in typed.resource:
            as_verb = f"; or a verb and a resource: {typed.verb} pods/{plural}" if typed.verb not in NODES else ""
            raise click.UsageError(f"{error}\n  hint: kubectl's own command: -- kubectl {rest}{as_verb}") from None
        raise click.UsageError(f"{error}\n  hint: {error.hint}; a whole command stands behind -- kubectl") from None


def _check_command(typed: Typed, verb: str, subresource: str, name: str) -> None:
    argv = typed.argv
    own = f"or kubectl's own command: -- kubectl {shlex.join((typed.verb, typed.resource, *argv))}"
    if subresource and not name:
        raise click.UsageError(
            f"{typed.verb} needs a name\n  hint: {typed.verb} {typed.resource}/NAME, such as pods/web-0; {own} NAME"
        )
    if "/" in name:
        raise click.UsageError(f"{name!r} is no name\n  hint: --subresource {name.partition('/')[2]}")
    if verb == "exec" and not argv:
        raise click.UsageError("exec needs a command\n  hint: ... exec pods/web-0 -- ls -l")
    if argv and verb != "exec":
        one = f"{typed.verb} {typed.resource.partition('/')[0]}/{argv[0]}"
        hint = f"an object is one word: {one}; {own}" if len(argv) == 1 else f"an object is one word, such as pods/web-0; {own}"
        raise click.UsageError(f"{typed.verb} takes no command, and here is one: {shlex.join(argv)}\n  hint: {hint}")
    if (typed.stdin or typed.tty) and verb not in ("exec", "attach"):
        raise click.UsageError("-i and -t belong to exec and attach\n  hint: leave them out")


def objects(sent: Path) -> list[Manifest]:
    """The objects in a file. Raises UsageError."""
    try:
        return objects_of(sent)
    except NotRead as error:
        raise click.UsageError(f"{error}\n  hint: {error.hint}" if error.hint else str(error)) from None


def _as(calls: list[Call], user: str, groups: tuple[str, ...]) -> list[Call]:
    """The calls, made as somebody else where `--as` names one. Raises UsageError."""
    if not user and not groups:
        return calls
    try:
        acts_as = identity(user, list(groups))
    except Refusal as refusal:
        raise click.UsageError(f"the gateway refuses this before it asks the policy: {refusal.message}") from None
    return [msgspec.structs.replace(call, act=acting(call.act, acts_as)) for call in calls]

"""Whether one rule matches one act: an allow covers it, a deny overlaps it."""

from __future__ import annotations

from typing import Any

import pytest

from l7gw import name_rules
from l7gw.identity.principal import Principal
from l7gw.kube.act import EFFECTS, Act
from l7gw.kube.requestinfo import describe
from l7gw.policy.commands import Command
from l7gw.policy.patterns import Globs, Resources
from l7gw.policy.rules import DENIED_EFFECTS, Rule, in_words, verb_of


def rule(allow: bool, **keys: Any) -> Rule:
    for key in ("users", "groups", "clusters", "namespaces", "verbs", "names"):
        if key in keys:
            keys[key] = Globs(keys[key])
    if "resources" in keys:
        keys["resources"] = Resources(keys["resources"])
    if "effects" in keys:
        keys["effects"] = frozenset(keys["effects"])
    elif not allow:
        keys["effects"] = DENIED_EFFECTS
    if "commands" in keys:
        keys["commands"] = tuple(map(Command, keys["commands"]))
    return Rule("r", allow, **keys)


def allows(act: Act, **keys: Any) -> bool:
    return not rule(True, **keys).mismatch(act)


def denies(act: Act, **keys: Any) -> bool:
    return not rule(False, **keys).mismatch(act)


POD = describe("GET", "/api/v1/namespaces/dev/pods/web-0")
PODS = describe("GET", "/api/v1/namespaces/dev/pods")
PODS_ALL = describe("GET", "/api/v1/pods")
NODE = describe("GET", "/api/v1/nodes/n")
SECRET = describe("GET", "/api/v1/namespaces/dev/secrets/s")
PATH = describe("GET", "/metrics")
EXEC = "/api/v1/namespaces/dev/pods/web-0/exec?command="
WS_EXEC, SPDY_EXEC = describe("GET", EXEC + "ps", "websocket"), describe("POST", EXEC + "ps", "SPDY/3.1")
ATTACH = describe("POST", "/api/v1/namespaces/dev/pods/web-0/attach")
DEBUG = describe("PATCH", "/api/v1/namespaces/dev/pods/web-0/ephemeralcontainers")


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (POD, "get pods web-0 in namespace dev"),
        (PODS_ALL, "list pods in all namespaces"),
        (describe("GET", "/api/v1/nodes/n1"), "get nodes n1 in the cluster"),
        (describe("GET", "/api/v1/nodes"), "list nodes in the cluster"),
        (describe("GET", "/apis/example.com/v1/widgets"), "list widgets.example.com in all namespaces or the cluster"),
        (WS_EXEC, "exec pods/exec web-0 in namespace dev"),
        (SPDY_EXEC, "exec pods/exec web-0 in namespace dev"),
        (describe("GET", "/apis/apps/v1/namespaces/dev/deployments/d/scale"), "get deployments.apps/scale d in namespace dev"),
        (describe("GET", "/metrics?q=x"), "get /metrics"),
    ],
)
def test_a_call_in_words_has_its_verb_object_and_extent_and_no_query(act: Act, words: str) -> None:
    assert in_words(act) == words


def test_an_allow_lists_all_effects_and_a_deny_any() -> None:
    assert not allows(SECRET, effects=["read"]) and allows(SECRET, effects=["read", "secrets"])
    assert denies(SECRET, effects=["secrets"]) and denies(SECRET, effects=["read"]) and not denies(SECRET, effects=["write"])


def test_other_is_allowed_only_by_name() -> None:
    assert not allows(PATH) and allows(PATH, effects=EFFECTS) and "other" in PATH.effects


def test_an_act_without_effects_is_not_harmless() -> None:
    assert not allows(Act("get", "/", "", frozenset()))


@pytest.mark.parametrize("act", [PODS_ALL, NODE], ids=["all namespaces", "an object of the cluster"])
def test_an_unnamed_namespace_overlaps_every_pattern_and_is_covered_only_by_a_star(act: Act) -> None:
    assert not allows(act, namespaces=["dev"]) and not allows(act, namespaces=["d*", "*v", "*-*"])
    assert allows(act, namespaces=["*"]) and allows(act)
    assert denies(act, namespaces=["dev"])


def test_a_named_namespace_is_matched() -> None:
    assert allows(PODS, namespaces=["dev"]) and not allows(PODS, namespaces=["prod"])
    assert denies(PODS, namespaces=["d*"]) and not denies(PODS, namespaces=["prod"])


def test_the_deletion_of_a_namespace_is_a_call_within_it() -> None:
    assert denies(describe("DELETE", "/api/v1/namespaces/prod"), namespaces=["prod"])


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unnamed_object_overlaps_every_name_and_is_covered_only_by_a_star(method: str) -> None:
    act = describe(method, "/api/v1/namespaces/dev/pods")
    assert not allows(act, names=["web-0"]) and not allows(act, names=["web-*"]) and allows(act, names=["*"])
    assert denies(act, names=["web-0"])


def test_a_list_of_one_name_is_that_name() -> None:
    act = describe("GET", "/api/v1/namespaces/dev/pods?fieldSelector=metadata.name%3Dweb-0")
    assert allows(act, names=["web-*"]) and not allows(act, names=["db"])


@pytest.mark.parametrize("kind", ["services", "pods", "nodes"])
@pytest.mark.parametrize("written", ["{}:", "{}:80", "{}:http", ":{}:80", "http:{}:80", "https:{}:443", "https:{}:", "{}%3A80"])
def test_a_name_with_scheme_and_port_behind_proxy_is_denied_as_the_object_and_allowed_as_both(kind: str, written: str) -> None:
    place = "" if kind == "nodes" else "namespaces/dev/"
    act = describe("GET", f"/api/v1/{place}{kind}/{written.format('web-0')}/proxy/admin")
    for pattern in ("web-0", "web-*", "*-0", "w*0", act.name):
        assert denies(act, names=[pattern]), pattern
    assert not denies(act, names=["db"])
    for pattern in ("http*", "*80", "*:80x", "*http", "*3", "h*", "db*", "db:80"):  # a scheme or a port is no name
        assert not allows(act, effects=EFFECTS, names=[pattern]), pattern
    assert allows(act, effects=EFFECTS, names=[act.name]) and allows(act, effects=EFFECTS, names=["*"])
    assert allows(act, effects=EFFECTS, names=["*web-0*"])


def test_a_name_with_colons_that_is_no_proxys_stays_whole() -> None:
    act = describe("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node:x")
    assert not denies(act, names=["node"]) and denies(act, names=["system:*"])
    assert allows(act, names=["system*"]) and not allows(act, names=["node"])


def test_a_rule_about_objects_says_nothing_of_paths() -> None:
    for key in ("resources", "namespaces", "names"):
        assert not allows(PATH, effects=EFFECTS, **{key: ["*"]})
        assert not denies(PATH, effects=EFFECTS, **{key: ["prod"]})
    assert denies(PATH, effects=["other"], namespaces=["*"])


@pytest.mark.parametrize("act", [WS_EXEC, SPDY_EXEC], ids=["websocket", "spdy"])
def test_an_exec_is_a_verb_of_its_own_whatever_the_method(act: Act) -> None:
    assert verb_of(act) == "exec"
    assert allows(act, verbs=["exec"]) and not allows(act, verbs=["get", "create", "list"])
    assert all(denies(act, verbs=[verb]) for verb in ("exec", "get", "create")) and not denies(act, verbs=["delete"])


def test_a_subresource_inherits_nothing_from_its_resource() -> None:
    assert not allows(WS_EXEC, resources=["pods"]) and not denies(WS_EXEC, resources=["pods"])
    assert allows(WS_EXEC, resources=["pods/exec"]) and denies(WS_EXEC, resources=["pods/*"])


def test_a_connect_subresource_of_another_group_keeps_its_verb() -> None:
    assert verb_of(describe("GET", "/apis/example.com/v1/namespaces/dev/widgets/w/proxy")) == "get"


def exec_of(*argv: str, more: str = "") -> Act:
    return describe("POST", "/api/v1/namespaces/dev/pods/web-0/exec?" + "&".join(f"command={a}" for a in argv) + more)


def test_commands_allow_a_known_argv_without_terminal_or_stdin() -> None:
    keys: dict[str, Any] = {"commands": ["ps **"], "effects": ["execute"]}
    assert allows(exec_of("ps", "aux"), **keys) and not allows(exec_of("sh"), **keys)
    for more in ("&tty=true", "&stdin=true", "&stdin="):
        assert not allows(exec_of("ps", more=more), **keys)
        assert allows(exec_of("ps", more=more), interactive=True, **keys)


@pytest.mark.parametrize("act", [ATTACH, DEBUG, POD], ids=["attach", "ephemeral containers", "no command"])
def test_commands_never_allow_what_has_no_known_argv(act: Act) -> None:
    assert not allows(act, effects=EFFECTS, commands=["**"], interactive=True)


def test_commands_in_a_deny_overlap_what_may_be_any_command() -> None:
    keys: dict[str, Any] = {"commands": ["rm **"]}
    assert denies(exec_of("rm", "x"), **keys) and not denies(exec_of("ls"), **keys)
    assert denies(ATTACH, **keys) and denies(DEBUG, **keys)
    assert denies(exec_of("ls", more="&tty=1"), **keys) and denies(exec_of("ls", more="&stdin=1"), **keys)
    assert not denies(POD, **keys)


def test_a_rule_is_about_the_callers_that_it_names_and_no_others() -> None:
    ann = Principal("ann", ("engineers", "sre"))
    for key, good, bad in (("users", "a*", "bob"), ("groups", "sre", "admins"), ("clusters", "prod", "dev")):
        assert rule(True, **{key: [good]}).stranger(ann, "prod") == ""
        assert rule(True, **{key: [bad]}).stranger(ann, "prod") == key
    assert rule(True, kinds=frozenset(["agent"])).stranger(ann, "prod") == "kinds"
    assert rule(True, groups=["*"]).stranger(Principal("nobody"), "prod") == "groups"


@pytest.mark.parametrize("came", ["contractors ", "contractors\u00a0", "contrac\u200dtors", "\u3164contractors"])
@pytest.mark.parametrize("named", ["contractors", "contr*", "*"])
def test_a_group_in_a_form_that_no_name_has_is_denied_and_never_allowed(came: str, named: str) -> None:
    ann = Principal("ann", ("engineers",), unfit=name_rules.spellings(came))
    assert rule(False, groups=[named]).stranger(ann, "prod") == ""
    assert rule(True, groups=[named]).stranger(Principal("ann", unfit=name_rules.spellings(came)), "prod") == "groups"
    assert rule(False, groups=["Contractors"]).stranger(ann, "prod") == "groups"


def test_a_rule_matches_only_where_all_its_keys_do() -> None:
    assert allows(POD, namespaces=["dev"], names=["web-0"], resources=["pods"], verbs=["get"])
    for key, value in (("namespaces", "x"), ("names", "x"), ("resources", "nodes"), ("verbs", "list")):
        keys = {"namespaces": ["dev"], "names": ["web-0"], "resources": ["pods"], "verbs": ["get"]} | {key: [value]}
        assert not allows(POD, **keys) and rule(True, **keys).mismatch(POD) == key

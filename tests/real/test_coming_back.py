"""Real clients write back what they read masked through the gateway. Afterwards the real API server has what it had, byte for byte, and
what the client changed."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.both_ways import Both, before
from tests.support.compared_commands import Outcome
from tests.support.kubernetes.cluster import RealCluster
from tests.support.shop import KEPT, PASSWORD, TOKEN, Shop, b64, without_version

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.fixture(scope="module")
def shop(both_sides: Both, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(both_sides, "coming-back", tmp_path_factory.mktemp("shop"))
    yield shop
    shop.holds_no_placeholder()


def test_edit(shop: Shop) -> None:
    shop.create_secret("edited")
    assert "placeholder" not in shop.kubectl("edit", "secret", "edited", EDITOR=shop.editor("s/^type: /&/")).out
    shop.kubectl("edit", "secret", "edited", EDITOR=shop.editor(f"s/^  token: .*/  token: {b64('new')}/"))
    assert shop.secret("edited") == {**KEPT, "token": "new"}


def test_get_and_apply_again_and_again(shop: Shop) -> None:
    shop.create_secret("applied")
    text = shop.get("secret/applied")
    assert PASSWORD not in text
    assert b64(PASSWORD) not in text
    shop.kubectl("apply", "-f", "-", stdin=text)
    for _ in range(2):
        shop.kubectl("apply", "-f", "-", stdin=without_version(text))
        assert shop.secret("applied") == KEPT
    stored = shop.stored("/api/v1/namespaces/NS/secrets/applied")
    assert json.loads(stored["metadata"]["annotations"][APPLIED])["data"] == {"password": b64(PASSWORD), "token": b64(TOKEN)}
    changed = without_version(shop.get("secret/applied")).replace("data:", f"data:\n  more: {b64('new')}", 1)
    shop.kubectl("apply", "-f", "-", stdin=changed)
    assert shop.secret("applied") == {**KEPT, "more": "new"}


def test_apply_of_a_manifest_with_the_values_themselves(shop: Shop) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "stringData": KEPT}
    for _ in range(2):
        shop.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
        assert shop.secret("own") == KEPT
    manifest["stringData"] = {"password": "another one"}
    shop.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    assert shop.secret("own") == {"password": "another one", "token": TOKEN}
    assert "another one" not in shop.get("secret/own")
    shop.kubectl("apply", "-f", "-", stdin=without_version(shop.get("secret/own")))
    assert shop.secret("own") == {"password": "another one", "token": TOKEN}


def test_replace(shop: Shop) -> None:
    shop.create_secret("replaced")
    text = shop.get("secret/replaced")
    shop.kubectl("replace", "-f", "-", stdin=text)
    assert shop.secret("replaced") == KEPT
    shop.kubectl("replace", "-f", "-", stdin=without_version(text).replace("data:", f"data:\n  more: {b64('new')}", 1))
    assert shop.secret("replaced") == {**KEPT, "more": "new"}


def test_a_value_that_was_changed_meanwhile_is_not_undone(shop: Shop) -> None:
    shop.create_secret("changed")
    text = without_version(shop.get("secret/changed"))
    path = f"/api/v1/namespaces/{shop.namespace}/secrets/changed"
    now = {**shop.stored(path), "data": {"password": b64("newer"), "token": b64(TOKEN)}}
    assert shop.both.cluster.request("PUT", path, now)[0] == 200
    for command in ("replace", "apply"):
        done = shop.kubectl(command, "-f", "-", stdin=text, check=False)
        assert done.status == 1
        assert "data.password holds the placeholder of a masked value" in done.err
        assert shop.secret("changed") == {"password": "newer", "token": TOKEN}


def test_create_and_its_dry_run_are_refused(shop: Shop) -> None:
    shop.create_secret("copied")
    copy = without_version(shop.get("secret/copied")).replace("name: copied", "name: copy")
    for more in (["--dry-run=server"], []):
        done = shop.kubectl("create", "-f", "-", *more, stdin=copy, check=False)
        assert done.status == 1
        assert "there is no stored value that could take its place; write the real value" in done.err
        assert ": l7gw: " in done.err and ": : " not in done.err
    own = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "copy"}, "stringData": KEPT}
    done = shop.kubectl("create", "--dry-run=server", "-o", "yaml", "-f", "-", stdin=json.dumps(own))
    assert PASSWORD not in done.out
    assert b64(PASSWORD) not in done.out


def test_what_makes_a_new_object_out_of_a_masked_one_is_refused(shop: Shop) -> None:
    env = [{"name": "PASSWORD", "value": PASSWORD}]
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox", "env": env}]}}
    cron = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}
    for body in (
        {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}, "spec": cron},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "once"}, **template},
    ):
        shop.kubectl("create", "-f", "-", stdin=json.dumps(body))
    for command in (
        ["create", "job", "now", "--from=cronjob/nightly"],
        ["debug", "once", "--copy-to=copy", "--image=busybox", "--attach=false"],
    ):
        done = shop.kubectl(*command, check=False)
        assert done.status == 1
        assert ".env[0].value holds the placeholder of a masked value, and there is no stored value" in done.err


def test_replace_by_force_deletes_what_it_cannot_create_again(shop: Shop) -> None:
    shop.create_secret("forced")
    done = shop.kubectl("replace", "--force", "-f", "-", stdin=without_version(shop.get("secret/forced")), check=False)
    assert "there is no stored value that could take its place" in done.err
    assert shop.both.cluster.request("GET", f"/api/v1/namespaces/{shop.namespace}/secrets/forced")[0] == 404


PATCHES = [
    ("strategic", {"data": {"password": "PLACEHOLDER", "more": b64("new")}}),
    ("merge", {"data": {"password": "PLACEHOLDER", "more": b64("new")}}),
    ("merge", {"stringData": {"password": "TEXT", "more": "new"}}),
    (
        "json",
        [
            {"op": "replace", "path": "/data/password", "value": "PLACEHOLDER"},
            {"op": "add", "path": "/data/more", "value": b64("new")},
        ],
    ),
]


@pytest.mark.parametrize("number", range(len(PATCHES)))
def test_patch_of_every_type(shop: Shop, number: int) -> None:
    name, (kind, patch) = f"patched-{number}", PATCHES[number]
    shop.create_secret(name)
    placeholder = yaml.safe_load(shop.get(f"secret/{name}"))["data"]["password"]
    text = json.dumps(patch).replace("PLACEHOLDER", placeholder).replace("TEXT", base64.b64decode(placeholder).decode())
    shop.kubectl("patch", "secret", name, "--type", kind, "-p", text)
    assert shop.secret(name) == {**KEPT, "more": "new"}
    elsewhere = text.replace("password", "elsewhere")
    assert "elsewhere" in shop.kubectl("patch", "secret", name, "--type", kind, "-p", elsewhere, check=False).err
    assert shop.secret(name) == {**KEPT, "more": "new"}


@pytest.mark.parametrize("op", ["test", "copy", "move"])
def test_a_json_patch_that_reads_what_is_masked_is_refused(shop: Shop, op: str) -> None:
    if op == "test":
        shop.create_secret("read")
    place = (
        {"path": "/data/password", "value": b64(PASSWORD)}
        if op == "test"
        else {"from": "/data/password", "path": "/metadata/labels"}
    )
    patch = json.dumps([{"op": op, **place}])
    done = shop.kubectl("patch", "secret", "read", "--type", "json", "-p", patch, check=False)
    assert f"a JSON patch may not {op} /data/password: a value in it is masked" in done.err
    assert shop.secret("read") == KEPT


def test_no_spelling_of_an_index_copies_or_renames_a_masked_variable(shop: Shop) -> None:
    env = [{"name": "COLOUR", "value": "a-blue-one"}, {"name": "DB_PASSWORD", "value": PASSWORD}]
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": "busybox", "env": env}]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "indexed"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template},
    }
    shop.kubectl("apply", "-f", "-", stdin=json.dumps(deployment))
    for item in ("0/env/1", "00/env/01", "+0/env/+1", "-1/env/-1"):
        place = f"/spec/template/spec/containers/{item}"
        for operation in (
            {"op": "copy", "from": f"{place}/value", "path": "/metadata/annotations/x"},
            {"op": "replace", "path": f"{place}/name", "value": "SHOWN"},
        ):
            patch = json.dumps([operation])
            dry = ("--dry-run=server", "-o", "json")
            done = shop.kubectl("patch", "deployment", "indexed", "--type", "json", "-p", patch, *dry, check=False)
            assert "l7gw: " in done.err and PASSWORD not in done.out + done.err, operation


def test_server_side_apply(shop: Shop) -> None:
    shop.create_secret("owned")
    text = without_version(shop.get("secret/owned")).replace("data:", f"data:\n  more: {b64('new')}", 1)
    done = shop.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    assert PASSWORD not in done.out + done.err
    assert shop.secret("owned") == {**KEPT, "more": "new"}
    changed = text.replace(b64("new"), b64("newer"))
    done = shop.kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=changed, check=False)
    assert "conflict" in done.err
    assert b64("new") not in done.err
    shop.kubectl("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-", stdin=changed)
    assert shop.secret("owned") == {**KEPT, "more": "newer"}
    created = text.replace("name: owned", "name: created")
    done = shop.kubectl("apply", "--server-side", "-f", "-", stdin=created, check=False)
    assert "there is no stored value that could take its place" in done.err


def test_label_and_annotate(shop: Shop) -> None:
    shop.kubectl("apply", "-f", "-", stdin=json.dumps(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "labelled"}, "stringData": KEPT}
    ))  # fmt: skip
    before = shop.stored("/api/v1/namespaces/NS/secrets/labelled")
    shop.kubectl("label", "secret", "labelled", "a=b")
    shop.kubectl("annotate", "secret", "labelled", "c=d")
    after = shop.stored("/api/v1/namespaces/NS/secrets/labelled")
    assert after["data"] == before["data"]
    assert after["metadata"]["labels"] == {"a": "b"}
    assert after["metadata"]["annotations"] == {**before["metadata"]["annotations"], "c": "d"}


def test_a_configuration_with_one_password_is_edited_around_it(shop: Shop) -> None:
    text = f"port=1\nurl=postgres://shop:{PASSWORD}@db/shop\ncolour=red\n"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"app.conf": text}}
    shop.kubectl("apply", "-f", "-", stdin=json.dumps(body))
    assert PASSWORD not in shop.get("configmap/settings")
    shop.kubectl("edit", "configmap", "settings", EDITOR=shop.editor("/^    colour=red/s/red/green/"))
    stored = shop.stored("/api/v1/namespaces/NS/configmaps/settings")
    assert stored["data"] == {"app.conf": text.replace("red", "green")}
    shop.kubectl("apply", "-f", "-", stdin=without_version(shop.get("configmap/settings")).replace("colour=green", "colour=blue"))
    stored = shop.stored("/api/v1/namespaces/NS/configmaps/settings")
    assert stored["data"] == {"app.conf": text.replace("red", "blue")}
    assert json.loads(stored["metadata"]["annotations"][APPLIED])["data"] == stored["data"]
    without_its_name = shop.get("configmap/settings").replace("url=postgres://shop:", "note ").replace("@db/shop", "")
    done = shop.kubectl("replace", "-f", "-", stdin=without_version(without_its_name), check=False)
    assert 'data."app.conf" holds the placeholder of a masked value' in done.err
    assert shop.stored("/api/v1/namespaces/NS/configmaps/settings")["data"] == stored["data"]


# ---------------------------------------------------------------------- a Deployment, with passwords in its environment


def deployment(name: str, password: str, **more: str) -> dict[str, Any]:
    env = [{"name": "PASSWORD", "value": password}, *({"name": key, "value": value} for key, value in more.items())]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": "busybox", "env": env}]},
            },
        },
    }


def env_of(shop: Shop, name: str, kind: str = "deployments") -> dict[str, str]:
    found = shop.stored(f"/apis/apps/v1/namespaces/NS/{kind}/{name}")
    return {one["name"]: one["value"] for one in found["spec"]["template"]["spec"]["containers"][0]["env"]}


def test_a_deployment_is_edited_scaled_and_undone(shop: Shop) -> None:
    shop.kubectl("apply", "-f", "-", stdin=json.dumps(deployment("web", PASSWORD, COLOUR="red")))
    assert PASSWORD not in shop.get("deployment/web")
    shop.kubectl("set", "env", "deployment/web", "COLOUR=green")
    assert env_of(shop, "web") == {"PASSWORD": PASSWORD, "COLOUR": "green"}
    shop.kubectl("edit", "deployment", "web", EDITOR=shop.editor("s/value: green/value: blue/"))
    assert env_of(shop, "web") == {"PASSWORD": PASSWORD, "COLOUR": "blue"}
    shop.kubectl("scale", "deployment", "web", "--replicas=2")
    shop.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    shop.again("rollout", "undo", "deployment/web")
    assert env_of(shop, "web") == {"PASSWORD": PASSWORD, "COLOUR": "green"}
    for command in ("replace", "apply"):
        shop.again(command, "-f", "-", stdin=without_version(shop.get("deployment/web")))
    assert env_of(shop, "web") == {"PASSWORD": PASSWORD, "COLOUR": "green"}


def test_a_revision_with_another_masked_value_is_not_brought_back(shop: Shop) -> None:
    shop.kubectl("apply", "-f", "-", stdin=json.dumps(deployment("old", PASSWORD)))
    shop.kubectl("rollout", "status", "deployment/old", "--timeout=30s")
    shop.kubectl("apply", "-f", "-", stdin=json.dumps(deployment("old", "a newer password")))
    shop.kubectl("rollout", "status", "deployment/old", "--timeout=30s")
    done = shop.kubectl("rollout", "undo", "deployment/old", check=False)
    assert done.status == 1
    assert "a masked value of an older revision cannot be brought back" in done.err
    assert env_of(shop, "old") == {"PASSWORD": "a newer password"}


@pytest.mark.parametrize("kind", ["DaemonSet", pytest.param("StatefulSet", marks=pytest.mark.long)])
def test_a_revision_of_other_workloads_is_brought_back(shop: Shop, kind: str) -> None:
    name, resource = f"undone-{kind.lower()}", f"{kind.lower()}s"
    body = {**deployment(name, PASSWORD, COLOUR="red"), "kind": kind}
    if kind == "DaemonSet":
        del body["spec"]["replicas"]
    shop.kubectl("apply", "-f", "-", stdin=json.dumps(body))
    shop.kubectl("rollout", "status", f"{kind}/{name}", "--timeout=30s")
    shop.kubectl("set", "env", f"{kind}/{name}", "COLOUR=green")
    shop.kubectl("rollout", "status", f"{kind}/{name}", "--timeout=30s")
    shop.again("rollout", "undo", f"{kind}/{name}")
    assert env_of(shop, name, resource) == {"PASSWORD": PASSWORD, "COLOUR": "red"}


# ---------------------------------------------------------------------- Helm, whose releases are Secrets

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    "values.yaml": f"password: {PASSWORD}\ncolour: red\n",
    "templates/all.yaml": """
apiVersion: v1
kind: Secret
metadata: {name: "{{ .Release.Name }}"}
stringData: {password: "{{ .Values.password }}", colour: "{{ .Values.colour }}"}
""",
}
REVEALED = """
rules:
  - {name: all, effects: ["*"], verdict: allow, reveal: [helm.sh/release.v1]}
"""


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chart") / "shop"
    for name, text in CHART.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def run_helm(shop: Shop, *arguments: str | Path) -> Outcome:
    side = shop.side
    command = [shop.both.cluster.built.helm, "--namespace", side.namespace, *arguments]
    done = subprocess.run(command, env={**side.env(), "HELM_CACHE_HOME": str(side.folder)}, capture_output=True, timeout=60)
    return side.outcome(done.returncode, done.stdout, done.stderr)


WARNING = "Warning: l7gw: a Helm release was masked, and Helm shows nothing of it; a rule"


def release(shop: Shop, name: str) -> str:
    """What the API server has of a release: base64 of gzip of JSON, in a Secret's base64."""
    return gzip.decompress(base64.b64decode(shop.secret(f"sh.helm.release.v1.{name}")["release"])).decode()


def test_helm_behind_masking_installs_and_then_sees_no_release(shop: Shop, chart: Path) -> None:
    """The words of Helm are those that docs/compatibility.md quotes."""
    done = run_helm(shop, "install", "masked", chart)
    assert done.status == 0
    assert WARNING in done.err
    assert shop.secret("masked") == {"password": PASSWORD, "colour": "red"}
    before = release(shop, "masked.v1")
    assert PASSWORD in before
    for arguments, status, words in (
        (["list", "--short"], 0, ""),
        (["status", "masked"], 1, 'Error: no revision for release "masked"'),
        (["upgrade", "masked", chart], 1, 'Error: UPGRADE FAILED: no revision for release "masked"'),
        (["rollback", "masked", "1"], 1, 'Error: no revision for release "masked"'),
        (["uninstall", "masked"], 1, "Error: no release provided"),
    ):
        done = run_helm(shop, *arguments)
        assert (done.status, done.out) == (status, "")
        assert WARNING in done.err
        assert words in done.err
    assert release(shop, "masked.v1") == before
    assert shop.secret("masked") == {"password": PASSWORD, "colour": "red"}


@pytest.mark.long
def test_helm_works_where_a_rule_reveals_its_releases(cluster: RealCluster, chart: Path, tmp_path: Path) -> None:
    with before(cluster, tmp_path / "revealing", REVEALED, watched=False) as both:
        shop = Shop(both, "helm-revealed", tmp_path)
        for arguments, colour in (
            (["install", "shown", chart], "red"),
            (["upgrade", "shown", chart, "--set", "colour=green"], "green"),
            (["rollback", "shown", "1"], "red"),
            (["upgrade", "shown", chart, "--reuse-values", "--set", "colour=blue"], "blue"),
        ):
            done = run_helm(shop, *arguments)
            assert (done.status, done.err) == (0, "")
            assert shop.secret("shown") == {"password": PASSWORD, "colour": colour}
        assert run_helm(shop, "list", "--short").out == "shown\n"
        assert PASSWORD in release(shop, "shown.v4")
        assert PASSWORD not in shop.get("secret/shown")
        assert run_helm(shop, "uninstall", "shown").status == 0

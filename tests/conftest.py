"""Fixtures for all tests. Fixtures that only one room needs stand in that room's test file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from l7gw.timeouts import Timeouts
from tests.npm.install import MissingNode, node_modules
from tests.support.both_ways import Both, before
from tests.support.builds import is_compiled
from tests.support.databases import VARIABLE, at_server
from tests.support.held_calls import POLICY
from tests.support.kubernetes.build import BuildFailed, Built, MissingGo, built
from tests.support.kubernetes.cluster import RealCluster
from tests.support.postgres import MissingPostgres, Postgres
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import OK, answering

if TYPE_CHECKING:
    from tests.support.aws.eks_cluster import EksCluster
    from tests.support.aws.stand_in import Aws  # with botocore it takes 0.4 s to import: in the fixture alone

T = TypeVar("T")

# A busy machine makes any example take longer; a test that hangs ends by pytest's time limit.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# `.ci/run` gives what failed a second try. A find of Hypothesis is kept, and found again there, on a developer's machine alone: in CI
# it is told with its example, and new ones are tried, so that one in ten thousand stops no other change.
settings.register_profile("CI", settings.get_profile("any machine"), database=None, print_blob=True)
settings.load_profile("CI" if os.environ.get("L7GW_NO_SKIP") == "1" else "any machine")

_NEEDS_BUILD = {"cluster_programs", "cluster"}
_BUILT = pytest.StashKey[Built | Exception]()
_AUTHENTICATOR = pytest.StashKey[Path | Exception]()


def missing(tool: str) -> NoReturn:
    """Skip a test whose tool is missing. Where L7GW_NO_SKIP=1 forbids that, fail the test."""
    if os.environ.get("L7GW_NO_SKIP") == "1":
        pytest.fail(f"{tool}, and L7GW_NO_SKIP=1", pytrace=False)
    pytest.skip(tool)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On the compiled build (`make test COMPILED=1`) tests that replace code of the package are left out: what is compiled is not
    looked up by its name, and takes no stand-in for an object of a compiled class."""
    if is_compiled():
        for item in items:
            if item.get_closest_marker("interpreted") is not None:
                item.add_marker(pytest.mark.skip(reason="replaces code that is compiled here"))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the real cluster, and aws-iam-authenticator, before the first test: so no test's time limit applies, and the progress is
    shown."""
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly:
        return
    _build(session.config, cluster=bool(wanted & _NEEDS_BUILD), authenticator="authenticator_program" in wanted)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Where several processes run the tests, build before they begin: nothing that they print is shown."""
    _build(config, cluster=True, authenticator=True)


def _build(config: pytest.Config, *, cluster: bool, authenticator: bool) -> None:
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        if cluster:
            config.stash[_BUILT] = _attempt(built)
        if authenticator:
            from tests.support.aws.authenticator import program

            config.stash[_AUTHENTICATOR] = _attempt(program)


def _attempt(build: Callable[[], T]) -> T | Exception:
    try:
        return build()
    except (MissingGo, BuildFailed) as error:
        return error


@pytest.fixture(scope="session")
def cluster_programs(pytestconfig: pytest.Config) -> Built:
    """The programs of the real cluster: itself, the newest kubectl and the oldest."""
    found = pytestconfig.stash[_BUILT]
    if isinstance(found, MissingGo):
        missing(f"the real cluster needs Go: {found}")
    if isinstance(found, Exception):
        raise found
    return found


@pytest.fixture(scope="session")
def authenticator_program(pytestconfig: pytest.Config) -> Path:
    """The program of the real aws-iam-authenticator (`tests/support/aws/authenticator.py`)."""
    found = pytestconfig.stash[_AUTHENTICATOR]
    if isinstance(found, MissingGo):
        missing(f"aws-iam-authenticator needs Go: {found}")
    if isinstance(found, Exception):
        raise found
    return found


@pytest.fixture(scope="session")
def cluster(cluster_programs: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """A real Kubernetes, shared by all tests. A test names its namespaces and pods after itself."""
    with RealCluster.start(tmp_path_factory.mktemp("cluster"), cluster_programs) as running:
        yield running


@pytest.fixture(scope="session")
def eks(cluster_programs: Built, authenticator_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EksCluster]:
    """A real Kubernetes whose tokens the real aws-iam-authenticator verifies (`tests/support/aws/eks_cluster.py`), shared by all
    tests that ask for it."""
    from tests.support.aws.eks_cluster import eks_cluster

    with eks_cluster(tmp_path_factory.mktemp("eks"), cluster_programs) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL server, shared by all tests. A test makes a schema of its own (`tests/support/databases.py`)."""
    try:
        server = Postgres()
    except MissingPostgres as error:
        missing(str(error))
    with server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def each_database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test runs twice: with the metadata in SQLite, and at a PostgreSQL server. Gives the database's name."""
    server: Postgres | None = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    monkeypatch.setenv(VARIABLE, at_server(server) if server is not None else "")
    return str(request.param)


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """A stand-in for AWS, for this test alone. This process, and those that it starts, find nothing of AWS in their environment."""
    from tests.support.aws.environment import inherit
    from tests.support.aws.stand_in import Aws

    inherit(monkeypatch)
    with Aws(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def both_sides(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """A gateway in front of the real cluster, with the real identity provider, and the direct way to the cluster."""
    try:
        node_modules()
    except MissingNode as error:
        missing(f"the identity provider needs Node.js: {error}")
    with before(cluster, tmp_path_factory.mktemp("both")) as both:
        yield both


@pytest.fixture(scope="session")
def held_sides(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """A gateway that holds what users whose names begin with `wait` or `back` change (`tests/support/held_calls.py`)."""
    with before(cluster, tmp_path_factory.mktemp("held"), POLICY) as both:
        yield both


# ---------------------------------------------------------------------- a gateway in front of a scripted upstream

SHORT_WAITS = Timeouts(drain_short_calls=2.0, drain_streams=1.5, request_head=1.0, answer_begins=2.0)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("scene")) as running:
        yield running


@pytest.fixture
def it(shared: Scene) -> Scene:
    """A scene that the tests of a file share. Its upstream has no visits yet, answers OK, and closes the connection."""
    shared.upstream.script = answering(OK)
    shared.upstream.visits.clear()
    return shared


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Scene]:
    """A scene for this test alone."""
    with scene(tmp_path / "scene") as running:
        yield running


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Scene]:
    """A scene for this test alone. Its gateway waits for seconds where others wait for a minute."""
    with scene(tmp_path / "scene", timeouts=SHORT_WAITS) as running:
        yield running

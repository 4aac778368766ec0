"""One cluster as calls use it: changed files end former connections, and each person has a pool where the role session is his own."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import uvloop

from l7gw.cluster.pools import MOST_POOLS
from l7gw.cluster.upstream import Upstream
from l7gw.config.aws_settings import AwsRole, Eks
from l7gw.config.settings import ClientCredential, Cluster
from l7gw.demo.pki import Authority, server_context
from l7gw.errors import Refusal
from l7gw.gateway.far_side import FarSide
from l7gw.identity.principal import Principal
from l7gw.limits import USUAL_LIMITS
from l7gw.timeouts import USUAL_TIMEOUTS
from l7gw.wire.events import Response
from l7gw.wire.http1_message import parse_response
from tests.support.manual_clock import ManualClock
from tests.support.scripted_broker import ScriptedBroker

ANN, BOB = Principal("ann", issuer="https://issuer"), Principal("bob", issuer="https://issuer")
ROLE = "arn:aws:iam::123456789012:role/l7gw"


def far_side(cluster: Cluster, former: FarSide | None = None, broker: ScriptedBroker | None = None) -> FarSide:
    return FarSide(cluster, ManualClock(), USUAL_TIMEOUTS, broker, most_people=MOST_POOLS, former=former)


async def lent(far: FarSide, who: Principal) -> Upstream:
    found: asyncio.Future[Upstream | Refusal] = asyncio.get_running_loop().create_future()
    far.pool_of(who).connect(found.set_result)
    connection = await found
    assert not isinstance(connection, Refusal), connection.message
    return connection


def test_a_new_credential_ends_the_connections_of_the_former(tmp_path: Path) -> None:
    async def run() -> None:
        authority, opened = Authority(tmp_path), list[object]()
        context = server_context(authority.server("server", "127.0.0.1"), clients=authority.certificate)
        server = await asyncio.start_server(lambda reader, writer: opened.append(writer), "127.0.0.1", 0, ssl=context)
        certificate, key = authority.client("client", "gateway")
        port = server.sockets[0].getsockname()[1]
        far = far_side(Cluster("test", "127.0.0.1", port, authority.certificate, ClientCredential(certificate, key)))
        for count in (1, 1):
            (await lent(far, ANN)).release()
            (await lent(far, BOB)).release()
            far.tick()
            assert len(opened) == count
        at_work = await lent(far, ANN)
        certificate.write_bytes(certificate.read_bytes() + b"\n")
        far.tick()
        (await lent(far, ANN)).release()
        assert len(opened) == 2 and not far.over
        at_work.release()  # it goes on to its end, and serves nobody else
        (await lent(far, BOB)).release()
        assert len(opened) == 2
        far.close()
        server.close()

    uvloop.run(run())


def test_each_person_has_a_pool_and_a_role_session_of_his_own_and_a_gateway_has_one_for_all(tmp_path: Path) -> None:
    authority, broker = Authority(tmp_path).certificate, ScriptedBroker()
    each = far_side(Cluster("each", "127.0.0.1", 1, authority, AwsRole(ROLE)), broker=broker)
    shared = far_side(Cluster("shared", "127.0.0.1", 1, authority, AwsRole(ROLE, per="gateway")), broker=broker)
    assert each.pool_of(ANN) is each.pool_of(Principal("ann", ("other",), issuer="https://issuer", address="10.0.0.1"))
    assert each.pool_of(ANN) is not each.pool_of(BOB)
    assert shared.pool_of(ANN) is shared.pool_of(BOB)
    for far in (each, shared):
        far.pool_of(BOB).credential.wait(lambda refusal: None)
    assert [(one.cluster, one.issuer, one.user) for one in broker.made.values()] == [
        ("each", "https://issuer", "bob"),
        ("shared", "", ""),
    ]


def test_an_outage_is_known_after_a_reload_too(tmp_path: Path) -> None:
    cluster = Cluster("test", "127.0.0.1", 1, Authority(tmp_path).certificate, AwsRole(ROLE))
    far = far_side(cluster, broker=ScriptedBroker())
    far.standing.rejected()
    assert far_side(cluster, former=far, broker=ScriptedBroker()).standing.troubled


def test_a_call_that_was_held_over_a_reload_gets_no_token_of_the_cluster_that_has_the_name_now() -> None:
    eks = Eks("prod", "eu-west-1")
    cluster = Cluster("prod", "", 443, None, AwsRole(ROLE, region="eu-west-1"), eks=eks)
    same = dataclasses.replace(cluster, record="none")
    others = [
        dataclasses.replace(cluster, eks=dataclasses.replace(eks, name="prod-2")),
        dataclasses.replace(cluster, aws_cluster_id="local"),
        dataclasses.replace(cluster, credential=AwsRole(ROLE, external_id="other", region="eu-west-1")),
    ]
    for successor in (None, same, *others):
        broker = ScriptedBroker()
        far = far_side(cluster, broker=broker)
        far.retire(far_side(successor, broker=broker) if successor is not None else None)
        told: list[Refusal | None] = []
        far.pool_of(ANN).credential.wait(told.append)
        assert [refusal is None for refusal in told] == [successor not in others]
        assert bool(broker.asked) is (successor not in others)


def test_all_pools_of_a_cluster_share_the_shapes_of_its_answers_and_keep_none_where_nothing_is_to_be_remembered(
    tmp_path: Path,
) -> None:
    cluster = Cluster("each", "127.0.0.1", 1, Authority(tmp_path).certificate, AwsRole(ROLE))
    head = b"HTTP/1.1 200 OK\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\nContent-Length: 2"
    for remembered in (USUAL_LIMITS.remembered, 0):
        far = FarSide(cluster, ManualClock(), USUAL_TIMEOUTS, ScriptedBroker(), most_people=MOST_POOLS, remembered=remembered)
        answer = parse_response(head, "GET", "")
        assert isinstance(answer, Response)
        far.pool_of(ANN).shapes.remember(head, answer)
        assert (far.pool_of(BOB).shapes.read(head) is not None) is (remembered > 0)

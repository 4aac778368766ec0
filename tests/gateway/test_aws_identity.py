"""Tokens of EKS at a gateway: strangers' junk costs STS little and neighbours nothing (threats F14), and the API knows who called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.aws.stand_in import Aws
from tests.support.aws.tokens import spelled, token, url_of
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene

ACCOUNT = "111122223333"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/AWSReservedSSO_Engineers_0123456789abcdef"
FLOODER = "127.0.0.2"  # the address of who floods
FORGED, MALFORMED = 24, 20  # connections with a forged signature each, and malformed tokens on each of them


@pytest.fixture(scope="module")
def eks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, Aws]]:
    folder: Path = tmp_path_factory.mktemp("aws-flood")
    with Aws(folder) as aws:
        entry = {
            "accounts": [ACCOUNT],
            "regions": ["eu-west-1"],
            "endpoint-url": aws.url,
            "certificate-authority": str(aws.certificate_authority),
        }
        with scene(folder / "scene", cluster={"aws-cluster-id": "prod"}, identity=[{"aws": entry}]) as it:
            yield it, aws


def ask(client: RawClient, it: Scene, bearer: str, target: str = "/api/v1/namespaces/default/pods") -> tuple[int, str]:
    client.send(it.request(f"GET {target}", token=bearer))
    status, _, body = client.answer()
    return status, body.decode()


def test_a_flood_of_junk_costs_sts_a_question_for_each_forged_token_alone_and_people_are_let_in(eks: tuple[Scene, Aws]) -> None:
    it, aws = eks
    before = len(aws.actions("GetCallerIdentity"))
    known = token(aws.sts.session(ADMIN, "ann@example.com"), "prod")
    good = url_of(token(aws.sts.session(ADMIN, "eve"), "prod"))
    forged = [spelled(f"{good[:-4]}{number:04x}") for number in range(FORGED)]
    malformed = spelled(good.replace("eu-west-1.amazonaws.com", "evil.example"))

    def flood(junk: str) -> list[int]:
        with RawClient(it.gateway, source=FLOODER) as client:
            return [ask(client, it, junk)[0], *(ask(client, it, malformed)[0] for _ in range(MALFORMED))]

    with RawClient(it.gateway) as neighbour, RawClient(it.gateway) as newcomer, ThreadPoolExecutor(FORGED) as pool:
        assert ask(neighbour, it, known)[0] == 200
        flooded = [pool.submit(flood, junk) for junk in forged]
        while not all(one.done() for one in flooded):
            assert ask(neighbour, it, known)[0] == 200
        assert ask(newcomer, it, token(aws.sts.session(ADMIN, "bob@example.com"), "prod"))[0] == 200
    assert {status for one in flooded for status in one.result()} == {401}
    assert len(aws.actions("GetCallerIdentity")) - before == FORGED + 2


def test_a_newcomer_is_let_in_while_the_flood_lasts(eks: tuple[Scene, Aws]) -> None:
    it, aws = eks
    good = url_of(token(aws.sts.session(ADMIN, "eve"), "prod"))
    clients = [RawClient(it.gateway, source=FLOODER) for _ in range(40)]
    for number, client in enumerate(clients):  # two seconds' work for STS
        client.send(it.request("GET /version", token=spelled(f"{good[:-4]}{number + 4096:04x}")))
    with RawClient(it.gateway) as newcomer:
        assert ask(newcomer, it, token(aws.sts.session(ADMIN, "cid@example.com"), "prod"))[0] == 200
    for client in clients:
        assert client.answer()[0] == 401
        client.socket.close()


def test_the_api_knows_who_called_a_cluster_and_an_aws_token_reviews_nothing(eks: tuple[Scene, Aws]) -> None:
    it, aws = eks
    fresh, text = (token(aws.sts.session(ADMIN, name), "prod") for name in ("dan@example.com", "fay@example.com"))
    with RawClient(it.gateway) as client:
        status, body = ask(client, it, fresh, "/l7gw/v1/holds")
        assert status == 401 and "run a kubectl command first" in body
        assert ask(client, it, text)[0] == 200
        status, body = ask(client, it, text, "/l7gw/v1/holds")
        assert status == 200 and json.loads(body)["holds"] == []

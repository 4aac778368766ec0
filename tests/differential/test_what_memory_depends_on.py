"""Each thing on which a remembered call depends, with a story of its own: a call is made until it is known, that thing changes, and the
call is made again. A gateway that remembers nothing gets the same; both must do the same in every byte, and what changed must show.

The table is the list of all that `gateway/known_call.py` and the forms of recording may not take from memory. Whoever adds a memory
adds its rows here. A row fails where the check that it names is taken out; `test_these_stories_differ_where_nothing_is_asked` shows
that of the greater part of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from l7gw.gateway import familiar, known_call
from l7gw.gateway.header_fields import HeaderFields
from l7gw.wire.events import Headers
from tests.support.builds import is_compiled
from tests.support.twins.compared import WITH, Compared, compare
from tests.support.twins.far_answers import AUDIT_ID, DATE, Answer
from tests.support.twins.gateway_in_steps import Gateway
from tests.support.twins.heads_of_twins import SECRETS
from tests.support.twins.house_of_twins import House
from tests.support.twins.policies_of_twins import GRANTED, HOLDING, NOBODY, UNRECORDED, with_identity
from tests.support.twins.story import AGAIN, ANN, BOB, HEADERS, PLAIN, POD, Client, Story, pod

AT = "/prod" + POD
MASK_MAIL = "rules:\n  - {name: all, effects: ['*'], verdict: allow, mask: [email]}\n"
MAIL = PLAIN.replace(b'"namespace":"shop"', b'"namespace":"shop","annotations":{"a":"somebody@example.com"}')
SECRET = (
    b'{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db0","namespace":"shop"},"stringData":{"p":"%s"},"type":"Opaque"}'
    % SECRETS[0].encode()
)
SECRET_POD = PLAIN.replace(b'"namespace":"shop"', b'"namespace":"shop","annotations":{"a":"%s"}' % SECRETS[0].encode())
Expected = Callable[[Gateway, int], bool]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("twins"))


def at(place: str, words: bytes | str) -> Expected:
    """These words came to this place behind the change."""

    def came(gateway: Gateway, learnt: int) -> bool:
        said = b"".join(
            part if isinstance(part, bytes) else part.encode()
            for step in gateway.said[learnt + 1 :]
            for name, parts in step.items()
            if name.startswith(place)
            for part in parts
        )
        return (words if isinstance(words, bytes) else words.encode()) in said

    return came


def recorded(words: bytes | str) -> Expected:
    """The journal has these words."""
    return lambda gateway, _: any(
        (words if isinstance(words, bytes) else words.encode()) in data for _, _, data, _ in gateway.blocks
    )


def never(expected: Expected) -> Expected:
    return lambda gateway, learnt: not expected(gateway, learnt)


def everywhere(*all_of: Expected) -> Expected:
    return lambda gateway, learnt: all(one(gateway, learnt) for one in all_of)


# ---------------------------------------------------------------------- the stories


def known(story: Story, **named: Any) -> Client:
    """A client whose call is known, with its answer."""
    story.answers(pod())
    client = story.client(**named)
    client.known()
    return client


def then(change: Callable[[Story], None], **named: Any) -> Callable[[Story], None]:
    """A known call, this change, and the call once more."""

    def told(story: Story) -> None:
        client = known(story, **named)
        change(story)
        client.ask()

    return told


def policy(text: str) -> Callable[[Story], None]:
    return then(lambda story: story.policy(text))


def configured(**changed: Any) -> Callable[[Story], None]:
    return then(lambda story: story.configured(**changed))


def answered(answer: Answer) -> Callable[[Story], None]:
    return then(lambda story: story.answers(answer))


def identity(which: int) -> Callable[[House], Callable[[Story], None]]:
    return lambda house: configured(**with_identity(house.settings(), which))


def expiring(story: Story) -> None:
    story.passes(3700.0)


def withdrawn(story: Story) -> None:
    story.do(("issuer", "withdrawn"))
    for _ in range(4):  # the keys are fetched anew, and then are others
        story.passes(301.0)
        story.client().ask(bearer=BOB)


def idle(story: Story) -> None:
    story.answers(pod())
    client = story.client(certificates="carl")
    client.known(bearer="")
    story.passes(16 * 60.0)
    client.ask(bearer="")


def a_day_old(story: Story) -> None:
    story.answers(pod())
    client = story.client(certificates="carl")
    for _ in range(100):
        client.ask(bearer="")
        story.passes(890.0)
    story.learnt = 3
    client.ask(bearer="")


def other_bytes(story: Story) -> None:
    client = known(story)
    client.ask(bearer=BOB)
    client.ask("/prod" + POD + "x")
    client.ask(AT, "X-Custom: a")
    client.ask()


def another_client(story: Story) -> None:
    known(story)
    other = story.client(address="10.1.0.2")
    other.ask()
    story.client(address="10.1.0.3", certificates="cleo").ask()


def another_certificate(story: Story) -> None:
    story.answers(pod())
    story.client(certificates="carl").known(bearer="")
    story.client(certificates="cleo").ask(bearer="")


def another_name(story: Story) -> None:
    story.answers(pod())
    story.answers(pod(MAIL), cluster="dev")
    story.client(server_name="prod.example.com").known(POD)
    story.client(server_name="dev.example.com").ask(POD)


def elsewhere(*change: Callable[[Story], None], name: str = "new-1", **named: Any) -> Callable[[Story], None]:
    """Calls for one object after the other in the same words, a change, and a call for one more object, whose `name` is that."""

    def told(story: Story) -> None:
        story.answers(pod())
        client = story.client(**named)
        for number in range(AGAIN):
            client.ask(f"{AT}{number}")
        story.learnt = len(story.steps)
        for one in change:
            one(story)
        client.ask(f"/prod/api/v1/namespaces/shop/pods/{name}")

    return told


RUN = "0a1b2c3d-0000-4000-8000-0000000000%02x"


def over_connections(*change: Callable[[Story], None], asks: dict[str, Any] | None = None, **named: Any) -> Callable[[Story], None]:
    """Calls with a connection and a process of their own, as kubectl makes them, a change, and one more such call, which `asks`."""

    def told(story: Story) -> None:
        story.answers(pod())
        for number in range(AGAIN):
            story.client(**named).ask(AT, f"Kubectl-Session: {RUN % number}", "User-Agent: kubectl")
        story.learnt = len(story.steps)
        for one in change:
            one(story)
        asked: dict[str, Any] = {"run": RUN % 99, "agent": "kubectl", "bearer": ANN, "target": AT} | (asks or {})
        client = story.client(**(named | {name: asked.pop(name) for name in ("address", "certificates") if name in asked}))
        client.ask(asked["target"], f"Kubectl-Session: {asked['run']}", f"User-Agent: {asked['agent']}", bearer=asked["bearer"])
        story.client(**named).ask(AT, f"Kubectl-Session: {RUN % 98}", "User-Agent: kubectl")

    return told


def over_connections_without_runs(story: Story) -> None:
    story.answers(pod())
    for _ in range(AGAIN):
        story.client().ask()
    story.learnt = len(story.steps)
    story.client().ask()


def many_connections(story: Story) -> None:
    story.answers(pod())
    for number in range(2 * WITH.runs_known + 2):
        story.client().ask(AT, f"Kubectl-Session: {RUN % number}")
    story.learnt = len(story.steps)
    story.client().ask(AT, f"Kubectl-Session: {RUN % 1}")


def alternating(story: Story) -> None:
    story.answers(pod())
    story.learnt = 2
    for number in range(4 * AGAIN):
        story.client(http2=number % 3 == 2).ask(AT, f"Kubectl-Session: {RUN % (number // 3)}", bearer=(ANN, BOB)[number % 2])


def elsewhere_registered(story: Story) -> None:
    elsewhere(read_a_secret, name=SECRETS[0])(story)


def elsewhere_in_words_of_somebody_else(story: Story) -> None:
    story.answers(pod())
    client = story.client()
    for number in range(AGAIN):
        client.ask(f"{AT}{number}")
    story.learnt = len(story.steps)
    client.ask(f"{AT}-new", bearer=BOB)
    client.ask(f"{AT}-newer")


ONLY_PODS = """
rules:
  - {name: not this one, names: ["secret-*"], effects: ["*"], verdict: deny}
  - {name: pods, resources: [pods], effects: ["*"], verdict: allow}
"""


def elsewhere_under_rules(what: str) -> Callable[[Story], None]:
    def told(story: Story) -> None:
        story.policy(ONLY_PODS)
        elsewhere(name=what)(story)

    return told


def read_a_secret(story: Story) -> None:
    story.answers(pod(SECRET), "/api/v1/namespaces/shop/secrets/db0")
    story.client().ask("/prod/api/v1/namespaces/shop/secrets/db0", bearer=BOB)


def registered_in_the_head(story: Story) -> None:
    story.answers(pod())
    client = story.client()
    client.known(AT, f"User-Agent: {SECRETS[0]}")
    read_a_secret(story)
    client.ask(AT, f"User-Agent: {SECRETS[0]}")


def registered_in_the_answers_head(story: Story) -> None:
    story.answers(pod(PLAIN, ("X-Custom", SECRETS[0])))
    client = story.client()
    client.known()
    read_a_secret(story)
    client.ask()


def masked_in_the_answers_head(story: Story) -> None:
    read_a_secret(story)
    story.answers(pod(PLAIN, ("X-Custom", SECRETS[0])))
    client = story.client()
    client.known()
    client.ask()


def registered_in_the_body(story: Story) -> None:
    story.answers(pod(SECRET_POD))
    client = story.client()
    client.known()
    read_a_secret(story)
    client.ask()


def no_length_at_first(story: Story) -> None:
    story.answers(pod(b""))
    client = story.client()
    client.known()
    read_a_secret(story)
    story.answers(pod(SECRET_POD))
    client.ask()


def unended(story: Story) -> Client:
    """A client whose call is known, and under way but for its end. Whether a head that came so is ever known is not said here."""
    client = known(story, http2=True)
    client.known(ends=False)
    client.ask(ends=False)
    return client


def registered_before_its_end(story: Story) -> None:
    story.answers(pod())
    client = story.client(http2=True)
    client.known(AT, f"User-Agent: {SECRETS[0]}")
    client.known(AT, f"User-Agent: {SECRETS[0]}", ends=False)
    client.ask(AT, f"User-Agent: {SECRETS[0]}", ends=False)
    read_a_secret(story)
    client.end()


def other_identity_before_its_end(house: House) -> Callable[[Story], None]:
    def told(story: Story) -> None:
        client = unended(story)
        story.configured(**with_identity(house.settings(), 2))
        client.end()

    return told


def policy_before_its_end(story: Story) -> None:
    client = unended(story)
    story.policy(NOBODY)
    client.end()


def session_over_before_its_end(story: Story) -> None:
    client = unended(story)
    story.do(("disk_is", "full"), ("advance", 0.2), ("disk_is", ""), ("tick",))
    client.end()


def runs_forgotten(story: Story) -> None:
    client = known(story)
    for number in range(WITH.runs_known + 1):
        story.client().ask(AT, f"Kubectl-Session: 0a1b2c3d-0000-4000-8000-00000000000{number}")
    client.ask()


def policy_while_it_is_dialled(story: Story) -> None:
    story.answers(pod())
    story.policy("rules:\n  - {name: all, effects: ['*'], verdict: allow, durable: all}\n")
    client = story.client()
    client.known()
    story.do(("disk_is", "stuck"))
    client.ask()
    story.policy(NOBODY)
    story.do(("disk_is", ""))


def configured_while_the_disk_is_slow(**changed: Any) -> Callable[[Story], None]:
    def told(story: Story) -> None:
        story.answers(pod())
        story.policy("rules:\n  - {name: all, effects: ['*'], verdict: allow, durable: all}\n")
        client = story.client()
        client.known()
        story.do(("disk_is", "stuck"))
        client.ask()
        story.configured(**changed)
        story.do(("disk_is", ""))

    return told


SLOW_FOR_ANN = """
rules:
  - {name: ann waits for the disk, users: [ann], effects: ["*"], verdict: allow, durable: all}
  - {name: all, effects: ["*"], verdict: allow, durable: none}
"""


def while_it_waits(change: Callable[[Story], None], *headers: str, times: int = 1) -> Callable[[Story], None]:
    """A head that came so many times comes again, and waits for the disk, while something changes. Then it comes again and again."""

    headers = headers or ("X-Other: 1",)

    def told(story: Story) -> None:
        story.answers(pod())
        story.policy(SLOW_FOR_ANN)
        client = story.client()
        client.known()
        for _ in range(times):
            client.ask(AT, *headers)
        story.do(("disk_is", "stuck"))
        client.ask(AT, *headers)
        change(story)
        story.do(("disk_is", ""))
        for _ in range(4):
            client.ask(AT, *headers)

    return told


def run_forgotten(story: Story) -> None:
    for number in range(WITH.runs_known + 1):
        story.client().ask(AT, f"Kubectl-Session: 0a1b2c3d-0000-4000-8000-00000000000{number}", bearer=ANN)


def while_keys_are_fetched(story: Story) -> None:
    """The head comes for the second time while the keys of its issuer are not known, and the configuration changes meanwhile."""
    story.answers(pod())
    client = story.client()
    client.known()
    client.ask(AT, "X-Custom: a")
    story.do(("advance", 90_000.0), ("tick",))
    client.ask(AT, "X-Custom: a")
    client.ask()


def unaccepted(story: Story) -> None:
    client = known(story)
    story.do(("cluster", "prod", "token", "another"))
    client.ask()
    story.do(("cluster", "prod", "token", ""))
    client.ask()


def unaccepted_of_somebody_else(story: Story) -> None:
    client = known(story)
    story.do(("cluster", "prod", "token", "another"))
    story.client().ask(bearer=BOB)
    story.do(("cluster", "prod", "token", ""))
    client.ask()


def leaving(story: Story) -> None:
    client = known(story)
    story.answers(pod(pieces=(40, 200), waits=1))
    client.ask()
    story.do(("leave", client.number, "reset"))


def killed(story: Story) -> None:
    client = known(story)
    story.answers(pod(waits=0))
    client.ask()
    story.do(("ends", "ann"))


def pipelined(story: Story) -> None:
    client = known(story)
    story.do(("feed", client.number, client.head(AT) * 3 + client.head(AT, bearer=BOB) + client.head(AT)))
    data = client.head(AT) * 2
    story.do(*(("feed", client.number, data[place : place + 7]) for place in range(0, len(data), 7)))


def unread(story: Story) -> None:
    story.answers(pod(PLAIN.replace(b"a-0", b"a" * 60_000)))
    client = story.client()
    client.known()
    story.do(("reads", client.number, False))
    story.do(*[("feed", client.number, client.head(AT))] * 6)
    story.do(("reads", client.number, True))


def granted(story: Story) -> None:
    story.policy(GRANTED)
    client = known(story)
    story.do(("grants", ("oncall", "ann", "human", "prod", 600.0)))
    client.ask()
    client.ask()
    story.do(("advance", 700.0))  # it is over by the clock, and nobody was told yet
    client.ask()
    story.do(("tick",))
    client.ask()


def drained(story: Story) -> None:
    client = known(story)
    story.do(("drains",), ("advance", 0.05))
    client.ask()


def date(story: Story) -> None:
    client = known(story)
    for _ in range(3):
        story.passes(1.0)
        client.ask()
    story.answers(Answer(200, (*HEADERS[:3], ("Date", "Tue, 01 Jan 2030 00:00:00 GMT")), PLAIN))
    client.ask()
    story.answers(Answer(200, (*HEADERS[:3], ("Date", "yesterday")), PLAIN))
    client.ask()


def troubled_disk(how: str, *steps: tuple[Any, ...]) -> Callable[[Story], None]:
    def told(story: Story) -> None:
        client = known(story)
        story.do(("disk_is", how), ("advance", 0.2), *steps)
        client.ask()
        client.ask()
        story.do(("disk_is", ""), ("advance", 1.0), ("tick",))
        client.ask()

    return told


def token_renewed(story: Story) -> None:
    client = known(story)
    story.do(("credential", 1), ("tick",))
    client.ask()


def closed_by_the_cluster(story: Story) -> None:
    client = known(story)
    story.answers(pod(framing="close"))
    client.ask()
    client.ask()
    story.answers(pod(cut=10, ends="abort"))
    client.ask()


LOGGED = at("access", '"status":200')
Row = tuple[str, Callable[..., Any], Expected]
# what it depends on, what happens, and what shows behind the change
ROWS: tuple[Row, ...] = (
    ("the policy", policy(NOBODY), at("client", "HTTP/1.1 403")),
    ("the masks of the rule", then(lambda story: (story.policy(MASK_MAIL), story.answers(pod(MAIL)))), at("client", "l7gw-masked-email")),
    ("what the rule records", policy(UNRECORDED), LOGGED),
    ("a rule that counts", policy(HOLDING), at("client", "HTTP/1.1 200")),
    ("grants", granted, at("prod", "impersonate-group: l7gw:oncall")),
    ("the end of a token", then(expiring), at("client", "HTTP/1.1 401")),
    ("the key of a token", then(withdrawn), at("client", "HTTP/1.1 401")),
    ("the issuer's audience", identity(0), at("client", "HTTP/1.1 401")),
    ("the order of identity", identity(1), LOGGED),
    ("kind and prefix of callers", identity(2), at("access", '"user":"idp:ann"')),
    ("a session that is idle", idle, LOGGED),
    ("a session of a day", a_day_old, LOGGED),
    ("the bytes of the head", other_bytes, at("access", '"user":"bob"')),
    ("the address of the client", another_client, at("access", '"address":"10.1.0.2"')),
    ("the certificate of the client", another_certificate, at("access", '"user":"cert:cleo"')),
    ("the server name of the client", another_name, at("access", '"cluster":"dev"')),
    ("values in the head", registered_in_the_head, recorded("l7gw-masked-registry")),
    ("values in the answer's head", registered_in_the_answers_head, at("client", "l7gw-masked-registry")),
    ("finds in the answer's head", masked_in_the_answers_head, at("client", "l7gw-masked-registry")),
    ("values in the body", registered_in_the_body, at("client", "l7gw-masked-registry")),
    ("the length of the answer", no_length_at_first, at("client", "l7gw-masked-registry")),
    ("values that come before the request's end", registered_before_its_end, recorded("l7gw-masked-registry")),
    ("who asks, before the request's end", other_identity_before_its_end, at("access", '"user":"idp:ann"')),
    ("the policy before the request's end", policy_before_its_end, at("access", '"status":403')),
    ("the session before the request's end", session_over_before_its_end, at("access", '"reason"')),
    ("runs that are forgotten", runs_forgotten, LOGGED),
    ("the policy while the disk is slow", policy_while_it_is_dialled, at("client", "HTTP/1.1 403")),
    ("the address while the disk is slow", configured_while_the_disk_is_slow(**{"prod server": "https://moved.example.com:443"}), LOGGED),
    ("the names going up while the disk is slow", configured_while_the_disk_is_slow(**{"prod prefix": "gw:"}), LOGGED),
    ("the address, by a head that waits", while_it_waits(lambda story: story.configured(**{"prod server": "https://moved.example.com:443"})), at("prod", "host: moved.example.com")),
    ("the address, by a head that waits and is known", while_it_waits(lambda story: story.configured(**{"prod server": "https://moved.example.com:443"}), times=5), at("prod", "host: moved.example.com")),
    ("the prefix, by a head that waits", while_it_waits(lambda story: story.configured(**{"prod prefix": "gw:"})), at("prod", "impersonate-group: gw:team-a")),
    ("what is recorded, by a head that waits", while_it_waits(lambda story: story.configured(**{"prod record": "metadata"})), LOGGED),
    ("values in a head that waits", while_it_waits(read_a_secret, f"User-Agent: {SECRETS[0]}"), recorded("l7gw-masked-registry")),
    ("values in a head that waits and is known", while_it_waits(read_a_secret, f"User-Agent: {SECRETS[0]}", times=5), recorded("l7gw-masked-registry")),
    ("the run of a head that waits", while_it_waits(run_forgotten), LOGGED),
    ("the policy, by a head that waits", while_it_waits(lambda story: story.policy(NOBODY)), at("client", "HTTP/1.1 403")),
    ("the masks, by a head that waits", while_it_waits(lambda story: (story.policy(MASK_MAIL), story.answers(pod(MAIL)))), at("client", "l7gw-masked-email")),
    ("the credential, by a head that waits", while_it_waits(lambda story: story.do(("credential", 1), ("tick",))), at("prod", "gateway-token-two")),
    ("who asks, by a head that waits", while_it_waits(lambda story: story.configured(**{"prod impersonate": "user"})), at("prod", "impersonate-user: l7gw:ann")),
    ("keys that are fetched", while_keys_are_fetched, at("client", "HTTP/1.1 401")),
    ("what clusters are told", configured(**{"prod impersonate": "user"}), at("prod", "impersonate-user: l7gw:ann")),
    ("a cluster that is told nothing", configured(**{"prod impersonate": "none", "prod groups": None}), never(at("prod", "impersonate-"))),
    ("the prefix of groups", configured(**{"prod prefix": "gw:"}), at("prod", "impersonate-group: gw:team-a")),
    ("the groups going up", configured(**{"prod groups": ["engineers"]}), at("prod", "impersonate-group: l7gw:engineers")),
    ("the address of the cluster", configured(**{"prod server": "https://moved.example.com:443"}), at("prod", "host: moved.example.com")),
    ("what the cluster's calls record", configured(**{"prod record": "metadata"}), LOGGED),
    ("a cluster that is not recorded", configured(**{"prod record": "none"}), LOGGED),
    ("masking", then(lambda story: (story.configured(masking={"detectors": {"email": "on"}}), story.answers(pod(MAIL)))), at("client", "l7gw-masked-email")),
    ("what is durable", configured(recording={"durable": "all", "reserve": "1GiB"}), LOGGED),
    ("warnings", configured(warnings="refusals"), LOGGED),
    ("the access log: off", configured(log={"access": "off"}), never(at("access", "{"))),
    ("the access log: errors", configured(log={"access": "errors"}), never(at("access", "{"))),
    ("the gateway's own credential", token_renewed, at("prod", "gateway-token-two")),
    ("a cluster that does not accept it", unaccepted, at("log", "accepts the gateway's credential again")),
    ("trouble of somebody else's call", unaccepted_of_somebody_else, at("log", "accepts the gateway's credential again")),
    ("a disk that fails", troubled_disk("full"), at("client", "HTTP/1.1 503")),
    ("a sync that fails", troubled_disk("sync", ("tick",)), LOGGED),
    ("a disk without room", troubled_disk("low", ("tick",)), at("client", "HTTP/1.1 503")),
    ("a disk that takes nothing", troubled_disk("stuck", ("advance", 11.0)), at("client", "HTTP/1.1 503")),
    ("a drain", drained, at("client", "onnection: close")),
    ("the date", date, at("client", "Tue, 01 Jan 2030")),
    ("an absent object", answered(pod(b'{"kind":"Status","code":404}', status=404)), at("client", "HTTP/1.1 404")),
    ("a redirect", answered(pod(b"", ("Location", "https://a.example.com"), status=302)), at("client", "HTTP/1.1 502")),
    ("another order of headers", answered(Answer(200, HEADERS[::-1], PLAIN)), at("client", PLAIN)),
    ("other headers", answered(pod(PLAIN, ("Warning", '299 - "old"'), ("Set-Cookie", "a=b"))), at("client", '299 - "old"')),
    ("an answer in chunks", answered(pod(framing="chunked")), at("client", PLAIN)),
    ("an answer in pieces", answered(pod(pieces=(50, 290, 300))), at("client", PLAIN)),
    ("interim answers", answered(pod(interim=(103,))), at("client", PLAIN)),
    ("two answers in one read", answered(Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\n")), at("client", "{")),
    ("an answer without a head", answered(Answer(raw=b"nonsense\r\n\r\n", ends="close")), at("client", "HTTP/1.1 502")),
    ("the end of the cluster's connection", closed_by_the_cluster, at("client", "HTTP/1.1 502")),
    ("another type of content", answered(Answer(200, (("Audit-Id", AUDIT_ID), ("Content-Type", "text/html"), ("Date", DATE)), b"<html>")), at("client", "HTTP/1.1 502")),
    ("a secret in the answer", answered(pod(SECRET)), at("client", "HTTP/1.1 200")),
    ("a client that leaves", leaving, at("access", "the client left")),
    ("somebody who ends the call", killed, at("client", "ended this call")),
    ("requests in one read, and in many", pipelined, at("access", '"user":"bob"')),
    ("a client that does not read", unread, at("client", b"a" * 1000)),
    ("a clock that is set", then(lambda story: story.do(("set_clock", 5.0), ("tick",))), LOGGED),
    ("the policy, by a new target", elsewhere(lambda story: story.policy(NOBODY)), at("client", "HTTP/1.1 403")),
    ("who asks, by a new target", elsewhere_in_words_of_somebody_else, at("access", '"user":"bob"')),
    ("the end of a token, by a new target", elsewhere(expiring), at("client", "HTTP/1.1 401")),
    ("values in a new target", elsewhere_registered, at("access", "l7gw-masked-registry")),
    ("what looks like a secret in a new target", elsewhere(name="ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"), at("access", "l7gw-masked-")),
    ("a placeholder in a new target", elsewhere(name="l7gw-masked-email-0123456789ab"), at("client", "HTTP/1.1 422")),
    ("the caller's token in a new target", elsewhere(name=ANN), at("client", "HTTP/1.1 400")),
    ("a name that the policy denies", elsewhere_under_rules("secret-1"), at("client", "HTTP/1.1 403")),
    ("a kind that the policy does not name", elsewhere_under_rules("../services/a"), at("client", "HTTP/1.1 400")),
    ("a target with two readings", elsewhere(name="a?limit=1&limit=2"), at("client", "HTTP/1.1 400")),
    ("a stream of a new target", elsewhere(name="a/log?follow=true"), at("access", '"event":"open"')),
    ("what the body of a new target holds", elsewhere(lambda story: story.answers(pod(SECRET_POD), "/api/v1/namespaces/shop/pods/new-1"), read_a_secret), at("client", "l7gw-masked-registry")),
    ("masks of the rule, by a new target", elsewhere(lambda story: (story.policy(MASK_MAIL), story.answers(pod(MAIL), "/api/v1/namespaces/shop/pods/new-1"))), at("client", "l7gw-masked-email")),
    ("the gateway's own credential, by a new target", elsewhere(lambda story: story.do(("credential", 1), ("tick",))), at("prod", "gateway-token-two")),
    ("the prefix of groups, by a new target", elsewhere(lambda story: story.configured(**{"prod prefix": "gw:"})), at("prod", "impersonate-group: gw:team-a")),
    ("grants, by a new target", elsewhere(lambda story: (story.policy(GRANTED), story.do(("grants", ("oncall", "ann", "human", "prod", 600.0))))), at("prod", "impersonate-group: l7gw:oncall")),
    ("the policy, by a new connection", over_connections(lambda story: story.policy(NOBODY)), at("client", "HTTP/1.1 403")),
    ("masks of the rule, by a new connection", over_connections(lambda story: (story.policy(MASK_MAIL), story.answers(pod(MAIL)))), at("client", "l7gw-masked-email")),
    ("grants, by a new connection", over_connections(lambda story: (story.policy(GRANTED), story.do(("grants", ("oncall", "ann", "human", "prod", 600.0))))), at("prod", "impersonate-group: l7gw:oncall")),
    ("who asks, by a new connection", over_connections(asks={"bearer": BOB}), at("access", '"user":"bob"')),
    ("nobody, by a new connection", over_connections(asks={"bearer": ""}), at("client", "HTTP/1.1 401")),
    ("a token with one letter changed, by a new connection", over_connections(asks={"bearer": ANN[:-8] + ("A" if ANN[-8] != "A" else "B") + ANN[-7:]}), at("client", "HTTP/1.1 401")),
    ("the end of a token, by a new connection", over_connections(expiring), at("client", "HTTP/1.1 401")),
    ("the key of a token, by a new connection", over_connections(withdrawn), at("client", "HTTP/1.1 401")),
    ("the address, by a new connection", over_connections(asks={"address": "10.1.0.9"}), at("access", '"address":"10.1.0.9"')),
    ("the certificate, by a new connection", over_connections(lambda story: story.client(certificates="carl").ask(AT, bearer=""), asks={"certificates": "cleo", "bearer": ""}), at("access", '"user":"cert:cleo"')),
    ("the header fields, by a new connection", over_connections(asks={"agent": "kubectl/other"}), recorded("kubectl/other")),
    ("the process, by a new connection", over_connections(asks={"run": RUN % 77}), recorded(RUN % 77)),
    ("a process that is none, by a new connection", over_connections(asks={"run": "none"}), LOGGED),
    ("a process whose id is a registered value", over_connections(lambda story: (story.answers(pod(SECRET.replace(SECRETS[0].encode(), (RUN % 55).encode())), "/api/v1/namespaces/shop/secrets/db0"), story.client().ask("/prod/api/v1/namespaces/shop/secrets/db0", bearer=BOB)), asks={"run": RUN % 55}), recorded("l7gw-masked-registry")),
    ("values in a new target, by a new connection", over_connections(read_a_secret, asks={"target": f"/prod/api/v1/namespaces/shop/pods/{SECRETS[0]}"}), at("access", "l7gw-masked-registry")),
    ("what the body holds, by a new connection", over_connections(read_a_secret, lambda story: story.answers(pod(SECRET_POD))), at("client", "l7gw-masked-registry")),
    ("the address of the cluster, by a new connection", over_connections(lambda story: story.configured(**{"prod server": "https://moved.example.com:443"})), at("prod", "host: moved.example.com")),
    ("the gateway's own credential, by a new connection", over_connections(lambda story: story.do(("credential", 1), ("tick",))), at("prod", "gateway-token-two")),
    ("a session that is idle, by a new connection", over_connections(lambda story: story.passes(16 * 60.0)), LOGGED),
    ("runs that are forgotten, by new connections", many_connections, LOGGED),
    ("connections without a process", over_connections_without_runs, LOGGED),
    ("users and versions of HTTP in turns, by new connections", alternating, at("access", '"user":"bob"')),
    ("HTTP/2, by a new connection", over_connections(asks={"bearer": BOB}, http2=True), at("access", '"user":"bob"')),
    ("the policy, by a new connection of HTTP/2", over_connections(lambda story: story.policy(NOBODY), http2=True), at("access", '"status":403')),
    ("HTTP/2, by a new target", elsewhere(http2=True), LOGGED),
    ("HTTP/2", then(lambda story: story.passes(1.0), http2=True), LOGGED),
)  # fmt: skip
ASKED = "the policy", "the masks of the rule", "grants", "the prefix of groups", "what clusters are told"
WITH_HOUSE = identity(0), other_identity_before_its_end


def told(house: House, story: Story, tale: Callable[..., Any]) -> tuple[Compared, list[Gateway]]:
    """Play a story at both."""
    made = tale(house) if tale is other_identity_before_its_end or tale.__qualname__.startswith("identity.") else tale
    made(story)
    gateways: list[Gateway] = []
    return compare(house, 7, story.steps, http2=story.http2, gateways=gateways), gateways


@pytest.mark.parametrize(("name", "tale", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_a_known_call_is_made_anew_where_what_it_depends_on_changes(
    house: House, name: str, tale: Callable[..., Any], expected: Expected
) -> None:
    story = Story()
    found, gateways = told(house, story, tale)
    assert not found.difference, found.difference
    assert all(expected(gateway, story.learnt) for gateway in gateways), f"{name}: the change does not show"
    # Calls that are known are counted by a function that stands in the place of the package's: the compiled build asks none
    assert found.recorded or is_compiled(), f"{name}: the call was not known before"


@pytest.mark.interpreted
@pytest.mark.parametrize("name", ASKED)
def test_these_stories_differ_where_nothing_is_asked(house: House, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The stories can fail: what a gateway would do that believes its memory without a look is seen."""
    monkeypatch.setattr(known_call.KnownCall, "holds", lambda *_: True)
    (tale,) = [tale for row, tale, _ in ROWS if row == name]
    assert told(house, Story(), tale)[0].difference


@pytest.mark.interpreted
def test_the_story_of_users_in_turns_differs_where_a_credential_is_no_part_of_the_place(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One user's token would stand for another's: the stories of new connections see that."""
    told_by = familiar.Familiar.said

    def careless(memory: familiar.Familiar, headers: Headers, peer: familiar.Peer) -> HeaderFields:
        return told_by(memory, tuple(pair if pair[0] != "authorization" else (pair[0], "") for pair in headers), peer)

    monkeypatch.setattr(familiar.Familiar, "said", careless)
    assert told(house, Story(), alternating)[0].difference

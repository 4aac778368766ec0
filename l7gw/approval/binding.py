"""What an approval is bound to: hashes of everything that was looked at. Another call has another hash (threats G1).

A hash is taken over msgpack, which has one reading: no two lists of fields give the same bytes. Its first field names what is
hashed, so that no binding is an intent.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import msgspec

from l7gw.approval.messages import Asked, Requester
from l7gw.kube.acting_as import ActsAs

_encode = msgspec.msgpack.Encoder().encode


def asker(requester: Requester, cluster: str, group: str) -> str:
    """Who asks for which group on which cluster: 64 hex digits, the same whenever he asks for it again."""
    return _hash("l7gw grant", _identity(requester), cluster, group)


def binding(
    requester: Requester,
    cluster: str,
    *,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    uids: Iterable[str],
    acts_as: ActsAs | None = None,
) -> str:
    """What a waiting call is bound to: 64 hex digits. `target` is path and query, `headers` are those that travel, in their order.
    `uids` are those of the objects that are shown: of an exec the pod, of a deletecollection every object."""
    head = (_identity(requester, acts_as), cluster, method, target, [list(pair) for pair in headers])
    return _hash("l7gw binding", *head, sha256(body).digest(), sorted(uids))


def intent(
    requester: Requester,
    cluster: str,
    *,
    verb: str,
    target: Iterable[str],
    changes: bytes = b"",
    argv: Iterable[str] | None = None,
    options: Iterable[str] = (),
    uids: Iterable[str] = (),
    acts_as: ActsAs | None = None,
) -> str:
    """What a call that comes back is bound to: 64 hex digits. `target` is group, resource, subresource, namespace and name.
    `changes` is the normalised difference that a write makes, or the body where no dry run can be made. `options` is what else
    decides about the outcome: the container, stdin and terminal of an exec, ports, selectors, what a DeleteOptions asks."""
    command = None if argv is None else list(argv)
    return _hash(
        "l7gw intent", _identity(requester, acts_as), cluster, verb, list(target), changes, command, list(options), sorted(uids)
    )


def rest_of_run(asked: Asked) -> str:
    """What the calls have in common that one `--rest-of-run` covers: 64 hex digits."""
    where = (asked.cluster, asked.session, asked.run)
    what = (asked.verb, asked.group, asked.resource, asked.subresource, asked.namespace)
    return _hash("l7gw rest of run", _identity(asked.principal), where, what, msgspec.to_builtins(asked.terms.rules))


def retry(asked: Asked) -> str:
    """What an exec over WebSocket and its retry over SPDY have in common: 64 hex digits."""
    return _hash("l7gw retry", asked.session, asked.intent, msgspec.to_builtins(asked.terms.rules))


def _identity(requester: Requester, acts_as: ActsAs | None = None) -> list[object]:
    """Who asks, and as whom the call is made. The requester's groups are left out: a renewed token may list them in another order,
    and policy is asked again at release."""
    who: list[object] = [requester.issuer, requester.user, requester.actor, requester.kind]
    return who if acts_as is None else [*who, [acts_as.user, *sorted(acts_as.groups)]]


def _hash(*fields: object) -> str:
    return sha256(_encode(fields)).hexdigest()

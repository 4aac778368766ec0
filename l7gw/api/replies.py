"""What the other side of the webhook answers: a signed POST that names a hold, a verdict, and who said it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta

from l7gw import plainjson
from l7gw.api import handlers, signed
from l7gw.api.callers import Caller
from l7gw.api.handlers import Desks, Then
from l7gw.api.messages import PREFIX, Said
from l7gw.api.requests import Answer, ApiRequest, check_json, only
from l7gw.approval.messages import Message, Note, Proof, Reviewer, ReviewVerdict
from l7gw.clock import Clock
from l7gw.config.secret_file import SecretFile
from l7gw.config.settings import Mapped
from l7gw.errors import Refusal
from l7gw.identity.principal import Principal
from l7gw.identity.remembered import digest
from l7gw.name_rules import quoted, visible

PATH = PREFIX + "webhook"

Id = Annotated[str, Meta(min_length=36, max_length=36)]
Name = Annotated[str, Meta(max_length=256)]


class Reply(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to PATH. `user` is whom the map `reviews.webhook.users` names; `hold` a whole id, as all that decides is signed.
    `type` tells it from what this gateway signs with the same secret."""

    type: Literal["review"]
    hold: Id
    verdict: ReviewVerdict
    user: Name
    note: Note = ""
    version: Literal[1] = 1


class Webhook:
    """The secret, and whom the other side may name."""

    def __init__(self, secret_file: Path, users: Mapping[str, Mapped]) -> None:
        self.secret = SecretFile(secret_file)
        self.users = users


class Services(Desks, Protocol):
    """What replies ask of the gateway."""

    clock: Clock

    @property
    def webhook(self) -> Webhook | None: ...


def is_reply(target: str) -> bool:
    """Whether a request is one that its signature proves, and no credential."""
    return target.partition("?")[0] == PATH


def somebody(address: str) -> Caller:
    """The caller of such a request, as long as nothing is proven."""
    return Caller(name=f"the webhook, from {address or 'the socket'}", reviewer=None)


def mapped(users: Mapping[str, Mapped], name: str, proven: Proof, where: str) -> Caller:
    """The reviewer whom a map names so. He sees every hold, as whoever holds the secret is told of them all. Raises Refusal 403."""
    who = users.get(name)
    if who is None:
        raise Refusal(403, "Forbidden", f"{quoted(name)} is not named in `{where}`, and so is no reviewer")
    principal = Principal(who.user, who.groups, kind="human", issuer=proven)
    return Caller(
        name=f"{who.user} ({proven} {visible(name)})",
        reviewer=Reviewer(principal=principal, proven=proven, token_digest=digest(f"{proven} {name}")),
        sees_all=True,
    )


def answer(services: Services, request: ApiRequest, signature: str, then: Then) -> None:
    """Answer a reply. Raises Refusal where that is known at once, else `then` is called."""
    only("POST", request, PATH)
    webhook = services.webhook
    desk = services.desk_if_any
    if webhook is None:
        raise Refusal(404, "NotFound", "no webhook is configured here (`reviews: {webhook}`)")
    if desk is None:
        raise Refusal(404, "NotFound", "nothing was ever held here")
    mark = signed.check(webhook.secret.value(), signature, request.body, services.clock.wall())
    check_json(request)
    reply = _read(request.body)

    def taken(found: bool | Refusal) -> None:
        if isinstance(found, Refusal):
            then(found)
        elif not found:
            then(signed.replayed())
        else:
            _review(services, webhook, reply, then)

    desk.take_once(mark, signed.REMEMBERED, taken)


def _read(body: bytes) -> Reply:
    try:
        document: Any = plainjson.read(body)
        return msgspec.convert(document, Reply)
    except ValueError as error:  # msgspec.ValidationError is one
        raise Refusal(400, "BadRequest", f"the reply cannot be read: {visible(str(error))}") from error


def _review(services: Services, webhook: Webhook, reply: Reply, then: Then) -> None:
    try:
        caller = mapped(webhook.users, reply.user, "webhook", "reviews.webhook.users")
    except Refusal as refusal:
        then(refusal)
        return

    def reviewed(found: Answer | handlers.Watch | Refusal) -> None:
        then(msgspec.structs.replace(found, about=f"{caller.name}: {found.about}") if isinstance(found, Answer) else found)

    handlers.review(services, reply.hold, reply.verdict, Said(note=reply.note), caller, reviewed)

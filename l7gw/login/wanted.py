"""Which token is wanted: the options of `l7gw login` as one value.

kubectl waits for this on every command, so the options are read here without click (70 ms) in the forms that `arguments` writes and
people type. What is not read here, `cli/login.py` reads, or refuses in words.
"""

from __future__ import annotations

from collections.abc import Sequence

OPENID = "openid"  # the scope without which there is no id token (OpenID Connect Core 1.0 section 3.1.2.1)
OFFLINE = "offline_access"  # the scope of a refresh token (section 11)
USUAL_SCOPES = (OPENID, OFFLINE)
ID, ACCESS = "id", "access"
MOST_PORT = 65535
_OF_TEXT = {
    "--issuer": "issuer",
    "--client-id": "client_id",
    "--gateway": "gateway",
    "--token": "token",
    "--certificate-authority": "authority",
}


class Wanted:
    """A token of `issuer` for the client `client_id`, to be shown at `gateway`.

    `token` is `id` or `access`. `authority` is the path of a PEM file, "" for the machine's authorities. `gateway` is HOST:PORT,
    "" where it is not known. `device`: a login goes by the device code. `port` is where the browser comes
    back to, 0 for any that is free.
    """

    __slots__ = ("authority", "client_id", "device", "gateway", "issuer", "port", "scopes", "token")

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        scopes: Sequence[str] = (),
        token: str = ID,
        authority: str = "",
        gateway: str = "",
        device: bool = False,
        port: int = 0,
    ) -> None:
        words = [scope for given in scopes for scope in given.split()] or list(USUAL_SCOPES)
        needed = [OPENID] if token == ID else []
        self.issuer = issuer
        self.client_id = client_id
        self.scopes = tuple(dict.fromkeys([*needed, *words]))
        self.token = token
        self.authority = authority
        self.gateway = gateway_of(gateway)
        self.device = device
        self.port = port

    def widened(self, scopes: Sequence[str]) -> Wanted:
        """The same with these scopes too, so that two kubeconfigs that ask for different ones do not take turns in logging in."""
        return Wanted(
            issuer=self.issuer,
            client_id=self.client_id,
            scopes=(*self.scopes, *scopes),
            token=self.token,
            authority=self.authority,
            gateway=self.gateway,
            device=self.device,
            port=self.port,
        )

    def arguments(self) -> list[str]:
        """The options of `l7gw login` that mean this."""
        found = ["--issuer", self.issuer, "--client-id", self.client_id]
        if self.gateway:
            found += ["--gateway", self.gateway]
        if self.scopes != USUAL_SCOPES:
            found += ["--scope", " ".join(self.scopes)]
        if self.token != ID:
            found += ["--token", self.token]
        if self.authority:
            found += ["--certificate-authority", self.authority]
        if self.port:
            found += ["--port", str(self.port)]
        return [*found, "--device"] if self.device else found


def gateway_of(server: str) -> str:
    """HOST:PORT of a gateway's URL or HOST[:PORT], in small letters; "" for nothing. What comes behind the host is the cluster's
    name, and a person is one at all clusters of a gateway."""
    host = (server.partition("://")[2] or server).partition("/")[0].lower()
    if not host:
        return ""
    return host if ":" in host.rpartition("]")[2] else f"{host}:443"


def port_of(digits: str) -> int:
    """The port that a text of ASCII digits says, 0 where it says none."""
    port = int(digits) if len(digits) <= len(str(MOST_PORT)) and digits.isascii() and digits.isdigit() else 0
    return port if port <= MOST_PORT else 0


def read(arguments: Sequence[str]) -> Wanted | None:
    """What the arguments behind `l7gw login` mean; None where they are not all of the usual form."""
    texts: dict[str, str] = {}
    scopes: list[str] = []
    device, port = False, 0
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if argument == "--device":
            device = True
            continue
        if name not in _OF_TEXT and name not in ("--scope", "--port"):
            return None
        value = value if equals else next(rest, "")
        if not value or (not equals and value.startswith("-")):
            return None
        if name == "--scope":
            scopes.append(value)
        elif name == "--port":
            port = port_of(value)
            if not port:
                return None
        else:
            texts[_OF_TEXT[name]] = value
    if "issuer" not in texts or "client_id" not in texts or texts.get("token", ID) not in (ID, ACCESS):
        return None
    return Wanted(scopes=scopes, device=device, port=port, **texts)

"""What several sections of l7gw.yaml hold: certificates and their keys, authorities, prefixes of names, URLs and host names."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from l7gw import name_rules
from l7gw.config.document import Reader, shown
from l7gw.config.private import fault_of_secret, load_pair
from l7gw.config.settings import Certificate

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)  # RFC 1123 section 2.1, lower case
HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){LABEL.pattern}(\.{LABEL.pattern})*", re.ASCII)

LONGEST_PREFIX = 64  # characters; prefix and user together may have 256 bytes, the most that can be impersonated


def certificate_of(reader: Reader, *, required: bool = False) -> Certificate | None:
    """The certificate and key at `tls`. None where there is none, and where it has a mistake, which is reported."""
    if not reader.has("tls"):
        if required:
            reader.missing("tls", "tls: {certificate: server.crt, key: server.key}; `l7gw init` makes a pair")
        return None
    pair = pair_of(reader.inner("tls", ("certificate", "key")), "certificate", "key")
    return Certificate(*pair) if pair else None


def pair_of(reader: Reader, certificate_key: str, key_key: str) -> tuple[Path, Path] | None:
    """The paths of a certificate and its key. None, and a report, unless both files are there, the key is private and fits."""
    certificate, key = reader.file(certificate_key, required=True), reader.file(key_key, required=True)
    if key is not None:
        check_private(reader, key_key, key)
    if certificate is None or key is None:
        return None
    try:
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or "one of them is no PEM, or the key is encrypted"
        what = f"{certificate} and {key} are no certificate and its key: {why.replace('_', ' ').lower()}"
        reader.wrong(
            certificate_key, what, f"compare: openssl x509 -noout -pubkey -in {certificate}; openssl pkey -pubout -in {key}"
        )
        return None
    return certificate, key


def check_private(reader: Reader, key: str, path: Path) -> None:
    """Report a secret's file that others can read: whoever reads it can pass for the gateway (threats J5)."""
    try:
        about = path.stat()
    except OSError:
        return  # the file was removed since `file` opened it; its next reader will report that
    fault = fault_of_secret(path, about, os.geteuid())
    if fault is not None:
        reader.wrong(key, f"`{key}`: {path} {fault[0]}", fault[1])


def authority_of(reader: Reader, *, required: bool) -> Path | None:
    """The PEM file at `certificate-authority`. None where the key is absent, and where it has a mistake, which is reported."""
    path = reader.file("certificate-authority", required=required)
    if path is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except (OSError, ValueError):
            reader.wrong("certificate-authority", f"{path} holds no certificate in PEM")
            return None
    return path


def prefix_of(reader: Reader, default: str = "") -> str:
    """The prefix of user and group names at `prefix`. A mistake in it is reported."""
    prefix = reader.text("prefix", default)
    if len(prefix) > LONGEST_PREFIX:
        reader.wrong("prefix", f"`prefix` is longer than {LONGEST_PREFIX} characters")
    if prefix.startswith("system:") or "," in prefix:
        reader.wrong("prefix", f"`prefix` {shown(prefix)} begins with system:, or holds a comma", 'such as "l7gw:"')
    elif fault := name_rules.fault(prefix + "-"):  # "-" stands for the name that follows a prefix
        reader.wrong("prefix", f"`prefix` {shown(prefix)} {fault}", 'such as "l7gw:"')
    return prefix


def url_of(text: str) -> tuple[SplitResult | None, int]:
    """An https URL in parts, and its port. The first is None where the text is no https URL, or holds a user or a password."""
    try:
        url = urlsplit(text)
        port = 443 if url.port is None else url.port
        host = url.hostname or ""
    except ValueError:
        return None, 0
    good = url.scheme == "https" and port and "@" not in url.netloc and not any(c.isspace() or c == "\\" for c in text)
    good = good and (is_ip(host, 4) or is_ip(host, 6) or is_host_name(host))
    return (url, port) if good else (None, 0)


def is_ip(text: str, version: int) -> bool:
    """Whether the text is an address of IP version 4 or 6, without brackets."""
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def is_host_name(text: str) -> bool:
    """Whether the text is a DNS name in lower case. A last label of digits alone is a mistyped address (RFC 1123 section 2.1)."""
    return HOST_NAME.fullmatch(text) is not None and not text.rpartition(".")[2].isdigit()


def address_of(text: str) -> tuple[str, int] | None:
    """Host (without brackets) and port, where 0 is any free port. None where the text is no address."""
    host, _, digits = text.rpartition(":")
    if re.fullmatch(r"[0-9]{1,5}", digits) is None or int(digits) > 65535:
        return None
    if host.startswith("[") and host.endswith("]"):
        return (host[1:-1], int(digits)) if is_ip(host[1:-1], 6) else None
    return (host, int(digits)) if is_ip(host, 4) or is_host_name(host.lower()) else None

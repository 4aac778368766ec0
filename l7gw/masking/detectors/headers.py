"""Credentials in URLs and in headers."""

from __future__ import annotations

from l7gw.masking.detectors import values
from l7gw.masking.detectors.detector import START, Detector, Shape
from l7gw.masking.detectors.keywords import QUOTE, SPACE

_SLASHES = r":(?:\\*/){2}"  # JSON may write a slash as \/
_USER = r"""[^\x00-\x20\x7f"'\\/@:?#<>`]*"""
_SECRET = r"""[^\x00-\x20\x7f"'\\/@?#<>`]+"""
# The same, so that each has three bytes in a row by which hyperscan finds it: `:\\*/\\*/`, which has none, took 0.4 of a scan.
# Backslashes without a bound: with one of 15 hyperscan does not notice four before one slash and three before the next
_EACH_SLASHES = ("://", r":/\\+/", r":\\*\\//", r":\\*\\/\\+/")
_URL_OPENS = "|".join(rf"""{slashes}[^\x00-\x20"'/@:?#<>]{{0,128}}:""" for slashes in _EACH_SLASHES)
_URL_NOTICE = "|".join(rf"""{opens}[^\x00-\x20"'/@?#<>]{{1,256}}@""" for opens in _URL_OPENS.split("|"))
_DATABASES = (
    r"(?:postgres(?:ql)?|mysqlx?|mariadb|mongodb|rediss?|valkeys?|amqps?|mssql|sqlserver|oracle|clickhouse|cockroachdb|couchbase|couchdb|cassandra"
    r"|memcached|nats|kafka|ldaps?|smtps?|imaps?|stomp|mqtts?|influxdb|neo4j|bolt|db2|snowflake|redshift|elasticsearch|tls|etcd)"
)

HEADERS = (
    Detector(
        name="connection-string",
        finds="the password in a URL of a database, queue or directory",
        anchor="SCHEME://USER:PASSWORD@",
        reason="The password alone is masked, so that user, host and database stay readable.",
        shapes=(
            Shape(
                rf"(?i){START}{_DATABASES}(?:\+[a-z0-9]{{1,16}})?{_SLASHES}{_USER}:(?P<value>{_SECRET})@",
                notice=_URL_NOTICE,
                opens=_URL_OPENS,
                keeps=values.is_value,
            ),
        ),
        fixed=False,
        ns_per_byte=0.17,
    ),
    Detector(
        name="basic-auth-url",
        finds="the password in any other URL",
        anchor="://USER:PASSWORD@",
        reason="The password alone is masked.",
        shapes=(Shape(rf"{_SLASHES}{_USER}:(?P<value>{_SECRET})@", notice=_URL_NOTICE, opens=_URL_OPENS, keeps=values.is_value),),
        fixed=False,
        ns_per_byte=0.17,
    ),
    Detector(
        name="bearer",
        finds="the token of a bearer header",
        anchor="Bearer, Authorization",
        reason="Behind Bearer alone, a word of prose, a token has 16 bytes and a digit; behind Authorization it is any.",
        shapes=(
            Shape(
                rf"(?i){START}bearer(?:[ \t]|%20|\+){{1,4}}(?P<value>[\w.~+/-]{{16,}}={{0,2}})",
                longest=16384,
                notice=r"(?i)bearer(?:[ \t]|%20|\+){1,4}[\w.~+/-]{8}",
                keeps=values.is_opaque,
            ),
            Shape(
                rf"(?i)authorization(?:{QUOTE})?{SPACE}[:=]{SPACE}\[?(?:{QUOTE})?(?:bearer|token)[ \t]{{1,4}}"
                r"(?P<value>[\w.~+/-]{4,}={0,2})",
                longest=16384,
                notice=r"""(?i)authorization(?:\\{0,15}["'])?[ \t]{0,64}[:=]""",
                keeps=values.is_value,
            ),
        ),
        fixed=False,
        ns_per_byte=0.16,
    ),
    Detector(
        name="basic-auth",
        finds="user and password of a basic auth header, and logins in Docker's config.json",
        anchor='Basic, "auth":',
        reason="The base64 must stand for USER:PASSWORD.",
        shapes=(
            Shape(rf"(?i){START}basic[ \t]{{1,4}}(?P<value>[A-Za-z0-9+/_-]{{6,400}}={{0,2}})", keeps=values.is_basic),
            Shape(
                rf"{START}auth{QUOTE}{SPACE}:{SPACE}{QUOTE}(?P<value>[A-Za-z0-9+/_-]{{6,400}}={{0,2}}){QUOTE}",
                notice=r"""auth\\{0,15}["'][ \t]{0,64}:[ \t]{0,64}\\{0,15}["'][A-Za-z0-9+/_-]{6}""",
                keeps=values.is_basic,
            ),
        ),
        fixed=False,
        ns_per_byte=0.15,
    ),
)

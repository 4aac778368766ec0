"""Which names say that their value is a secret."""

from __future__ import annotations

import tracemalloc

import pytest

from l7gw.masking.objects.secret_names import _TELLING, _TELLING_AT_THE_END, may_be_secret, may_say_secret, says_secret
from l7gw.steps import InSteps


@pytest.mark.parametrize(
    "name",
    "PASSWORD DB_PASSWORD dbPassword db-password db.passwd POSTGRES_PASSWORD PGPASSWORD MYSQL_ROOT_PASSWORD SMTP_PASS API_KEY apiKey APIKey APIKEY "
    "SECRET_KEY_BASE JWT_SECRET AWS_SECRET_ACCESS_KEY GITHUB_TOKEN token AUTH_TOKENS redis-password REDIS_PASSWORD2 OAuth2ClientSecret "
    "PRIVATE_KEY privateKey credentials.json keycloakAdminPassword SECRET password.txt".split(),
)
def test_a_whole_word_says_it(name: str) -> None:
    assert says_secret(name)


@pytest.mark.parametrize(
    "name",
    "PASSWORD_FILE secretName TOKEN_PATH KEY_DIR token-url TOKEN_URI PASSWORD_HOST KEY_PORT TOKEN_TTL AWS_ACCESS_KEY_ID KEY_ENABLED "
    "passwordEnabled SECRET_HOSTNAME MONKEY KEYBOARD turnkey TOKENIZER SECRETARY PASS_THROUGH_HEADERS COMPASS bypass LOG_LEVEL DATABASE_URL "
    "AUTHOR keystore key_file_name 123 _".split(),
)
def test_other_words_and_names_of_places_do_not(name: str) -> None:
    assert not says_secret(name)


@pytest.mark.parametrize("value", ["hunter2!", "123456a", "0x123456", "changeme", "a b c d"])
def test_a_value_of_six_characters_may_be_a_secret(value: str) -> None:
    assert may_be_secret(value)


@pytest.mark.parametrize("value", ["", "none", "12345", "true", "FALSE", "enabled", "3600000", "-1.5e30", "0.250000"])
def test_a_short_value_a_boolean_and_a_number_are_none(value: str) -> None:
    assert not may_be_secret(value)


def test_bytes_without_a_stem_of_any_word_hold_no_name_that_says_it() -> None:
    for word in _TELLING | _TELLING_AT_THE_END:
        assert may_say_secret(word.encode()) and may_say_secret(word.upper().encode())
    assert may_say_secret(b'[{"name":"DB_PA\\u0053SWORD"}]')
    assert not may_say_secret(b"\x0a\x09LOG_LEVEL\x12\x05debug") and not may_say_secret(b"[]")


def test_names_of_a_mebibyte_that_a_caller_sends_are_not_kept() -> None:
    """Each would stay in memory until 4,096 others came."""
    says_secret("warm")
    tracemalloc.start()
    try:
        for number in range(20):
            assert says_secret(f"{'a' * 1_000_000}{number}_password")
            assert not says_secret(f"{'a' * 1_000_000}{number}_plain")
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_name_of_a_hundred_thousand_words_is_read_in_steps() -> None:
    work = InSteps(lambda: says_secret("token " + "a " * 100_000), lambda: None)
    while not work.over:
        work.go_on()
    assert work.result() and work.steps > 10

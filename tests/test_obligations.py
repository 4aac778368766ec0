"""What a rule shows to a caller."""

from __future__ import annotations

import pytest

from l7gw.obligations import Obligations


@pytest.mark.parametrize(
    ("mask", "reveal", "names", "shown"),
    [
        ([], [], ["secret-data"], False),
        ([], ["secret-data"], ["secret-data", "Opaque"], True),
        ([], ["Opaque"], ["secret-data", "Opaque"], True),
        ([], ["Opaque"], ["secret-data", "kubernetes.io/tls"], False),
        ([], ["*"], ["jwt"], True),
        (["jwt"], ["*"], ["jwt"], False),
        (["jwt"], ["*"], ["email"], True),
        (["*"], ["jwt"], ["jwt"], False),
        (["Opaque"], ["secret-data"], ["secret-data", "Opaque"], False),
    ],
)
def test_a_value_is_shown_where_a_rule_reveals_one_of_its_names_and_masks_none(mask, reveal, names, shown) -> None:
    assert Obligations(frozenset(mask), frozenset(reveal)).reveals(*names) is shown

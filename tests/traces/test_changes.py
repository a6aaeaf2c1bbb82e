"""Changes of figures are written with a sign, a unit and no more digits than anybody reads."""

from decimal import Decimal

import pytest

from traces.templatetags.changes import change, change_share, in_unit


@pytest.mark.parametrize(
    ("number", "unit", "expected"),
    [
        (1200, "duration", "+1.2\u00a0s"),
        (-800, "duration", "\u2212800\u00a0ms"),
        (0, "duration", "="),
        (-1204, "count", "\u22121\u202f204"),
        (Decimal("0.0120"), "money", "+$0.0120"),
        (Decimal("-0.00001"), "money", "\u2212<$0.0001"),
        (Decimal(0), "money", "="),
        (None, "money", ""),
    ],
)
def test_a_change_has_a_sign(number: int | Decimal | None, unit: str, expected: str) -> None:
    assert change(number, unit) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (-0.54, "\u221254\u00a0%"),
        (0.125, "+12\u00a0%"),
        (0.018, "+1.8\u00a0%"),
        (8.0, "+800\u00a0%"),
        (11.0, "×12"),
        (0.0, ""),
        (None, ""),
    ],
)
def test_a_share_is_a_percentage_until_it_is_a_multiple(share: float | None, expected: str) -> None:
    assert change_share(share) == expected


def test_a_figure_is_written_in_its_unit() -> None:
    assert [in_unit(1500, "duration"), in_unit(1500, "count"), in_unit(Decimal("1.5"), "money")] == [
        "1.5\u00a0s",
        "1\u202f500",
        "$1.50",
    ]
    assert in_unit(None, "money") == "—"

"""Money keeps its exact amount on its way in, out, and through the database."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.money import Money, currencies, plain

AMOUNTS = st.decimals(
    min_value=Decimal("-9999999999999999.9999"), max_value=Decimal("9999999999999999.9999"), places=4, allow_nan=False
)


def test_money_reads_and_writes_the_shape_all_services_share() -> None:
    text = '{"amount":"190000000","currency":"VND"}'

    assert Money.model_validate_json(text).model_dump_json() == text


@settings(max_examples=100, deadline=None)
@given(AMOUNTS)
def test_every_amount_the_column_holds_survives_the_round_trip(amount: Decimal) -> None:
    money = Money(amount=amount, currency="VND")

    text = money.model_dump(mode="json")["amount"]

    assert Decimal(text) == amount
    assert "E" not in text
    assert Money.model_validate_json(money.model_dump_json()) == money


@pytest.mark.parametrize(
    ("stored", "shown"),
    [("190000000.0000", "190000000"), ("0.0000", "0"), ("-0.0", "0"), ("1.5000", "1.5"), ("1E+5", "100000")],
)
def test_idle_zeros_and_exponents_are_not_shown(stored: str, shown: str) -> None:
    assert plain(Decimal(stored)) == shown
    assert Money(amount=Decimal(stored), currency="VND").model_dump(mode="json")["amount"] == shown


@pytest.mark.parametrize(
    "amount",
    [
        "NaN",
        "Infinity",
        "1e5",
        "",
        " 1",
        "1,000",
        "+1",
        "1.00001",
        "12345678901234567",
        "٣",
        "1\n",
        1,
        1.5,
        True,
        None,
        [],
    ],
)
def test_what_is_not_a_plain_decimal_string_is_refused(amount: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        Money.model_validate({"amount": amount, "currency": "VND"})

    assert [error["type"] for error in refused.value.errors()] == ["money_amount"]


@pytest.mark.parametrize("amount", [Decimal("NaN"), Decimal("Infinity"), Decimal("0.00001"), Decimal(10**16)])
def test_a_decimal_the_column_cannot_hold_is_refused(amount: Decimal) -> None:
    with pytest.raises(ValidationError):
        Money(amount=amount, currency="VND")


@pytest.mark.parametrize("currency", ["vnd", "XYZ", "", "VNDD", "Dong"])
def test_a_currency_is_a_code_of_the_standard(currency: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Money(amount=Decimal(1), currency=currency)

    assert [error["type"] for error in refused.value.errors()] == ["money_currency"]


def test_the_currencies_of_the_large_destinations_are_known() -> None:
    assert {"VND", "JPY", "TWD", "KRW", "USD", "SAR", "EUR"} <= currencies()


def test_money_is_frozen_and_takes_no_extra_fields() -> None:
    money = Money(amount=Decimal(1), currency="VND")

    with pytest.raises(ValidationError):
        money.amount = Decimal(2)  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": "1", "currency": "VND", "payee": "somebody"})


def test_the_schema_promises_a_string() -> None:
    amount = Money.model_json_schema()["properties"]["amount"]

    assert amount["type"] == "string"
    assert "pattern" in amount


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=24) | st.text("0123456789.-+eE_ ,٣", max_size=24))
def test_an_amount_is_taken_exactly_where_it_is_written_plainly(text: str) -> None:
    whole, dot, fraction = text.removeprefix("-").partition(".")
    digits = set("0123456789")
    plainly = 1 <= len(whole) <= 16 and set(whole + fraction) <= digits and (1 <= len(fraction) <= 4 if dot else True)

    try:
        taken = Money.model_validate({"amount": text, "currency": "VND"}).amount
    except ValidationError:
        assert not plainly
    else:
        assert plainly
        assert taken == Decimal(text)

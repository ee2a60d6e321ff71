"""Signing holds to the standard's own vectors, and verifying meets any header calmly."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from shared.webhooks import (
    AsymmetricKey,
    PublicKey,
    SymmetricKey,
    WebhookVerificationError,
    new_private_key,
    new_secret,
    sign,
    verify,
)

MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = datetime.fromtimestamp(1614265330, UTC)
BODY = b'{"test": 2432232314}'
SECRET = SymmetricKey.load("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
SECRET_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
PRIVATE_RAW = "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PRIVATE = AsymmetricKey.load(f"whsk_{PRIVATE_RAW}")
PRIVATE_SIGNATURE = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


def encoded(prefix: str, raw: bytes) -> str:
    return prefix + base64.b64encode(raw).decode()


def test_a_secret_signs_as_the_standard_says() -> None:
    headers = sign(MESSAGE_ID, AT, BODY, [SECRET])

    assert headers == {
        "webhook-id": MESSAGE_ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": SECRET_SIGNATURE,
    }


def test_an_ed25519_key_signs_as_the_standard_says() -> None:
    headers = sign(MESSAGE_ID, AT, BODY, [PRIVATE])

    assert headers["webhook-signature"] == PRIVATE_SIGNATURE


def test_all_valid_keys_sign_side_by_side_and_each_is_enough() -> None:
    old, new = SymmetricKey.load(new_secret()), SymmetricKey.load(new_secret())

    headers = sign(MESSAGE_ID, AT, BODY, [old, new, PRIVATE])

    assert [item.split(",")[0] for item in headers["webhook-signature"].split(" ")] == ["v1", "v1", "v1a"]
    for key in (old, new, PRIVATE, PRIVATE.public):
        verify(headers, BODY, [key], AT)


def test_the_time_zone_of_an_attempt_changes_nothing() -> None:
    in_viet_nam = AT.astimezone(timezone(timedelta(hours=7)))

    assert sign(MESSAGE_ID, in_viet_nam, BODY, [SECRET]) == sign(MESSAGE_ID, AT, BODY, [SECRET])


@given(
    st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
    st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - st adds the zone
    st.text(st.characters(codec="utf-8")),
    st.binary(min_size=24, max_size=64),
)
def test_the_standards_own_package_signs_the_same(message_id: str, at: datetime, body: str, secret: bytes) -> None:
    text = encoded("whsec_", secret)

    headers = sign(message_id, at, body.encode(), [SymmetricKey.load(text)])

    assert headers["webhook-signature"] == Webhook(text).sign(message_id, at, body)


def test_the_standards_own_package_accepts_what_we_send_now() -> None:
    text = new_secret()

    headers = sign(MESSAGE_ID, datetime.now(UTC), BODY, [PRIVATE, SymmetricKey.load(text)])

    assert Webhook(text).verify(BODY, only_v1(headers)) == {"test": 2432232314}


def only_v1(headers: dict[str, str]) -> dict[str, str]:
    kept = [item for item in headers["webhook-signature"].split(" ") if item.startswith("v1,")]
    return headers | {"webhook-signature": " ".join(kept)}


def test_header_names_are_read_in_any_case() -> None:
    headers = {name.title(): value for name, value in sign(MESSAGE_ID, AT, BODY, [SECRET]).items()}

    verify(headers, BODY, [SECRET], AT)


@pytest.mark.parametrize("late", [timedelta(seconds=300), timedelta(seconds=-300)])
def test_a_webhook_is_accepted_up_to_five_minutes_from_now(late: timedelta) -> None:
    verify(sign(MESSAGE_ID, AT, BODY, [SECRET]), BODY, [SECRET], AT + late)


@pytest.mark.parametrize("late", [timedelta(seconds=301), timedelta(seconds=-301)])
def test_a_webhook_of_another_moment_is_refused(late: timedelta) -> None:
    headers = sign(MESSAGE_ID, AT, BODY, [SECRET])

    with pytest.raises(WebhookVerificationError, match="too far from now"):
        verify(headers, BODY, [SECRET], AT + late)


def test_the_tolerance_is_the_callers() -> None:
    headers = sign(MESSAGE_ID, AT, BODY, [SECRET])

    verify(headers, BODY, [SECRET], AT + timedelta(hours=1), tolerance=timedelta(hours=1))


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_other"},
        {"webhook-timestamp": "1614265331"},
        {"webhook-signature": "v1," + PRIVATE_SIGNATURE.partition(",")[2]},
        {"webhook-signature": "v1a," + SECRET_SIGNATURE.partition(",")[2]},
        {"webhook-signature": "v2," + SECRET_SIGNATURE.partition(",")[2]},
        {"webhook-signature": SECRET_SIGNATURE.partition(",")[2]},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,?? v1a,é"},
        {"webhook-signature": ""},
        {"webhook-id": ""},
        {"webhook-id": f"{MESSAGE_ID}\n"},
        {"webhook-id": "a.b"},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "1614265330.5"},
        {"webhook-timestamp": "-1614265330"},
        {"webhook-timestamp": "9" * 5000},
        {"webhook-timestamp": "١٦١٤٢٦٥٣٣٠"},
    ],
)
def test_a_webhook_with_one_header_changed_is_refused(changed: dict[str, str]) -> None:
    headers = sign(MESSAGE_ID, AT, BODY, [SECRET, PRIVATE]) | changed

    with pytest.raises(WebhookVerificationError):
        verify(headers, BODY, [SECRET, PRIVATE], AT)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_webhook_with_one_header_missing_is_refused(missing: str) -> None:
    headers = sign(MESSAGE_ID, AT, BODY, [SECRET])
    del headers[missing]

    with pytest.raises(WebhookVerificationError):
        verify(headers, BODY, [SECRET], AT)


@pytest.mark.parametrize("keys", [[], [SymmetricKey(b"another secret, long enough")], [PublicKey(b"\xff" * 32)]])
def test_a_webhook_of_another_key_is_refused(keys: list[SymmetricKey | PublicKey]) -> None:
    headers = sign(MESSAGE_ID, AT, BODY, [SECRET, PRIVATE])

    with pytest.raises(WebhookVerificationError, match="known key"):
        verify(headers, BODY, keys, AT)


def test_a_changed_body_is_refused() -> None:
    headers = sign(MESSAGE_ID, AT, BODY, [SECRET, PRIVATE])

    with pytest.raises(WebhookVerificationError):
        verify(headers, BODY + b" ", [SECRET, PRIVATE], AT)


anything = st.text(max_size=60)
signature_items = st.builds(
    lambda version, comma, rest: version + comma + rest,
    st.sampled_from(["v1", "v1a", "v2", "", "\ud800"]),
    st.sampled_from([",", ",,", ""]),
    st.binary(max_size=70).map(lambda raw: base64.b64encode(raw).decode()) | anything,
)


@given(
    st.just(MESSAGE_ID) | anything,
    st.just("1614265330") | st.integers().map(str) | st.floats().map(str) | anything,
    st.lists(signature_items).map(" ".join) | anything,
    st.binary(max_size=20),
)
@example("\ud800", "1614265330", SECRET_SIGNATURE, BODY)
@example(MESSAGE_ID, "1614265330", "v1a," + "A" * 86 + "==", BODY)
def test_whatever_the_headers_hold_there_is_one_kind_of_error(
    message_id: str, timestamp: str, signature: str, body: bytes
) -> None:
    headers = {"Webhook-Id": message_id, "webhook-timestamp": timestamp, "WEBHOOK-SIGNATURE": signature}

    with pytest.raises(WebhookVerificationError):
        verify(headers, body, [SECRET, PRIVATE, PRIVATE.public], AT)


@given(st.dictionaries(anything, anything))
def test_whatever_headers_there_are_there_is_one_kind_of_error(headers: dict[str, str]) -> None:
    with pytest.raises(WebhookVerificationError):
        verify(headers, BODY, [SECRET, PRIVATE], AT)


@pytest.mark.parametrize("message_id", ["", "a.b", "a b", "a\r\nx: y", "é", "a" * 256])
def test_an_id_that_could_forge_something_is_not_signed(message_id: str) -> None:
    with pytest.raises(ValueError, match="message id"):
        sign(message_id, AT, BODY, [SECRET])


def test_nothing_is_sent_unsigned() -> None:
    with pytest.raises(ValueError, match="unsigned"):
        sign(MESSAGE_ID, AT, BODY, [])


def test_a_naive_time_is_not_signed() -> None:
    with pytest.raises(ValueError, match="aware"):
        sign(MESSAGE_ID, AT.replace(tzinfo=None), BODY, [SECRET])


def test_a_private_key_is_its_seed_alone_too() -> None:
    seed = base64.b64decode(PRIVATE_RAW)[:32]

    assert AsymmetricKey.load(encoded("whsk_", seed)) == PRIVATE


def test_a_public_key_goes_through_its_text_form() -> None:
    public = AsymmetricKey.load(new_private_key()).public

    assert str(public).startswith("whpk_")
    assert PublicKey.load(str(public)) == public


@pytest.mark.parametrize(
    "text",
    [
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_not base64",
        "whsec_é",
        encoded("whsec_", bytes(23)),
        encoded("whsec_", bytes(65)),
    ],
)
def test_a_malformed_secret_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"whsec_|24 to 64"):
        SymmetricKey.load(text)


@pytest.mark.parametrize(
    "text",
    [PRIVATE_RAW, encoded("whsk_", bytes(31)), encoded("whsk_", bytes(48)), encoded("whsk_", bytes(64))],
)
def test_a_malformed_private_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"whsk_|32 or 64|public half"):
        AsymmetricKey.load(text)


@pytest.mark.parametrize("text", [str(PRIVATE), "whpk_", encoded("whpk_", bytes(31))])
def test_a_malformed_public_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"whpk_|32 bytes"):
        PublicKey.load(text)


def test_keys_do_not_show_themselves() -> None:
    shown = repr([SECRET, PRIVATE])

    assert shown == "[SymmetricKey(), AsymmetricKey()]"


def test_new_secrets_differ() -> None:
    assert new_secret() != new_secret()


@given(
    st.binary(max_size=60), st.integers(0), st.sampled_from(["webhook-id", "webhook-timestamp", "body", "v1", "v1a"])
)
def test_one_bit_changed_anywhere_is_never_accepted(body: bytes, place: int, part: str) -> None:
    headers = sign(MESSAGE_ID, AT, body, [SECRET if part == "v1" else PRIVATE])
    if part == "body":
        body = flipped(body or b"\x00", place)
    elif part.startswith("v1"):
        version, _, signature = headers["webhook-signature"].partition(",")
        changed = base64.b64encode(flipped(base64.b64decode(signature), place)).decode()
        headers |= {"webhook-signature": f"{version},{changed}"}
    else:
        headers |= {part: flipped(headers[part].encode(), place).decode("latin-1")}

    with pytest.raises(WebhookVerificationError):
        verify(headers, body, [SECRET, PRIVATE], AT)


def flipped(raw: bytes, place: int) -> bytes:
    byte, bit = divmod(place % (8 * len(raw)), 8)
    return raw[:byte] + bytes([raw[byte] ^ 1 << bit]) + raw[byte + 1 :]

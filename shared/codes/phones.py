"""Phone numbers in the one form we store."""

import phonenumbers

LONGEST = 40
"""No written number is longer; what is, is a narrative."""


def normalise(text: str, region: str = "VN") -> str | None:
    """Return the E.164 form ("+84981848484") of a number as written, or None if it is not a valid one.

    `region` is the ISO 3166 code of the country whose national form is meant when no "+" leads the number.
    Letters are refused rather than dialled, so that a name typed beside the number is never lost.
    """
    if len(text) > LONGEST or any(character.isalpha() for character in text):
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

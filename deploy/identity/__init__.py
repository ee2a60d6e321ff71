"""The development issuer: tokens without passwords for people, with secrets for services; never for production."""

ISSUER = "urn:baoho:identity:development"
"""The `iss` of every token: fixed, so that it stays the same whatever address the issuer is reached at."""

PERSON_AUDIENCE = "baoho"
"""The `aud` of a person's token, whichever service the person calls."""

SERVICES = ("intake", "hotline", "referral", "registry")
"""The clients that may authenticate, and the audiences that a service may ask for."""


class IdentityError(Exception):
    """Something that the caller can put right; the text is one sentence to show as it stands."""

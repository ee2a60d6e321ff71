"""Everything of webhooks that needs no database: signing, where they may go, one attempt, and when the next is due."""

from shared.webhooks.addresses import UndeliverableUrlError, check_url, is_deliverable
from shared.webhooks.outcome import Outcome, Reason, parse_retry_after
from shared.webhooks.schedule import DELAYS, Verdict, next_attempt_at, verdict
from shared.webhooks.signing import (
    AsymmetricKey,
    Key,
    PublicKey,
    SymmetricKey,
    VerifyingKey,
    WebhookVerificationError,
    new_private_key,
    new_secret,
    sign,
    verify,
)
from shared.webhooks.transport import DEADLINE, Sender

__all__ = [
    "DEADLINE",
    "DELAYS",
    "AsymmetricKey",
    "Key",
    "Outcome",
    "PublicKey",
    "Reason",
    "Sender",
    "SymmetricKey",
    "UndeliverableUrlError",
    "Verdict",
    "VerifyingKey",
    "WebhookVerificationError",
    "check_url",
    "is_deliverable",
    "new_private_key",
    "new_secret",
    "next_attempt_at",
    "parse_retry_after",
    "sign",
    "verdict",
    "verify",
]

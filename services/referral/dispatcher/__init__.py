"""The process that tells partners: it leases what is due, sends it signed, and records what came of it."""

from services.referral.dispatcher.loop import Dispatcher

__all__ = ["Dispatcher"]

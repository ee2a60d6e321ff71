"""Referral's API: administrators keep the directory, partners answer, count beds and say where they want to be told."""

from services.referral.routes import directory, endpoints, referrals

ROUTERS = (directory.api, referrals.api, endpoints.api, endpoints.public)

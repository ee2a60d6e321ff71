"""Referral's HTTP process: `python -m shared.serve services.referral.app:create --port N`."""

from fastapi import FastAPI

from services.referral.routes import ROUTERS
from services.referral.runtime import SERVICE, runtime
from services.referral.settings import Settings
from shared import logging
from shared.app import create_app
from shared.process import freeze
from shared.runtime import Runtime


def build(runtime: Runtime) -> FastAPI:
    """Return the app on a given runtime."""
    return create_app(runtime, title="Bảo Hộ: referral", routers=ROUTERS)


def create() -> FastAPI:
    """Return the app of a process of its own."""
    logging.configure(SERVICE)
    app = build(runtime(Settings()))
    freeze()
    return app

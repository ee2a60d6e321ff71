"""Intake's HTTP process: `python -m shared.serve services.intake.app:create --port N`."""

from fastapi import FastAPI

from services.intake.routes import ROUTERS
from services.intake.runtime import SERVICE, runtime
from services.intake.settings import Settings
from shared import logging
from shared.app import create_app
from shared.process import freeze
from shared.runtime import Runtime


def build(runtime: Runtime) -> FastAPI:
    """Return the app on a given runtime."""
    return create_app(runtime, title="Bảo Hộ: intake", routers=ROUTERS)


def create() -> FastAPI:
    """Return the app of a process of its own."""
    logging.configure(SERVICE)
    app = build(runtime(Settings()))
    freeze()
    return app

"""The hotline's HTTP process: `python -m shared.serve services.hotline.app:create --port N`."""

from fastapi import FastAPI

from services.hotline.routes import ROUTERS
from services.hotline.runtime import SERVICE, runtime
from services.hotline.settings import Settings
from shared import logging
from shared.app import create_app
from shared.process import freeze
from shared.runtime import Runtime


def build(runtime: Runtime) -> FastAPI:
    """Return the app on a given runtime."""
    return create_app(runtime, title="Bảo Hộ: hotline", routers=ROUTERS)


def create() -> FastAPI:
    """Return the app of a process of its own."""
    logging.configure(SERVICE)
    app = build(runtime(Settings()))
    freeze()
    return app

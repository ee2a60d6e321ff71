"""The registry's API, by what it is about."""

from services.registry.routes import agencies, contracts, watch, workers

ROUTERS = (agencies.api, workers.api, contracts.api, watch.api)

"""Rings of keys as tests turn them: a house whose services are given other keys, as a restart would."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from shared.keys import Finding, Rotation
from tests.harness import House

RINGS = {"service": "service_keys", "search": "search_keys", "link": "link_keys"}


class KeyRing:
    """The keys of one house by kind and id; a link key is the same in every service."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._keys: dict[tuple[str, str, str], bytes] = {}

    def turn(self, service: str, kind: str, *ids: str) -> None:
        """Restart a service with these keys of one kind, the current one first; new ids get new keys."""
        runtime = self.house.runtime(service)
        held = runtime.vault.ring(kind)
        ring = {key_id: held.get(key_id) or self._key(service, kind, key_id) for key_id in ids}
        for key_id, key in held.items():
            self._keys.setdefault((self._owner(service, kind), kind, key_id), key)
        changes: dict[str, Any] = {RINGS[kind]: ring}
        runtime.vault = replace(runtime.vault, **changes)

    def replace_key(self, service: str, kind: str, key_id: str) -> None:
        """Hold other bytes under a known id."""
        runtime = self.house.runtime(service)
        changes: dict[str, Any] = {RINGS[kind]: {**runtime.vault.ring(kind), key_id: secrets.token_bytes(32)}}
        runtime.vault = replace(runtime.vault, **changes)

    def rotation(self, service: str) -> Rotation:
        """Return the rotation of a service, as its worker runs it."""
        return Rotation(self.house.runtime(service), import_module(f"services.{service}.keys").KEYS)

    def round(self, service: str) -> int:
        """Let a service's worker go round once; return how many rows it moved."""
        return self.rotation(service).round()

    def findings(self, service: str) -> dict[tuple[str, str], Finding]:
        """Return how the keys of a service stand, by kind and id."""
        return {(finding.kind, finding.key_id): finding for finding in self.rotation(service).check()}

    def missing(self, service: str) -> Sequence[tuple[str, str]]:
        """Return the kinds and ids of the keys that are missing or wrong."""
        return [name for name, finding in self.findings(service).items() if finding.missing]

    def _key(self, service: str, kind: str, key_id: str) -> bytes:
        return self._keys.setdefault((self._owner(service, kind), kind, key_id), secrets.token_bytes(32))

    @staticmethod
    def _owner(service: str, kind: str) -> str:
        return "all" if kind == "link" else service

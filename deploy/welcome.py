"""What is said once the house stands: where it is, tokens to paste, what to try."""

import os
from pathlib import Path

from deploy.identity.demo import IDENTITIES, mint


def show(public_url: str, state: Path, *, seconds: float, note: str = "") -> None:
    """Print the address, a token for each role, and three commands."""
    token = "make -s token" if state.name == "var" else f"make -s token STATE={os.path.relpath(state)}"
    lines = [
        "",
        f"Bảo Hộ runs at {public_url} (ready in {seconds:.1f} s; state in {state}; Ctrl-C stops it).",
        *([note] if note else []),
        "",
        f"Tokens, good for 8 hours (`{token} ROLE=…` prints one):",
        *(f"  {role:<17} {mint(state / 'identity', role)}" for role in IDENTITIES),
        "",
        "Try, in a second terminal:",
        "  make demo",
        f'  curl -H "Authorization: Bearer $({token} ROLE=osso_officer)" {public_url}/referral/v1/services',
        f"  open {public_url}/intake/docs",
        "",
    ]
    print("\n".join(lines), flush=True)

"""The command: finds the running house, plays the story, exits 1 if any step is not as told."""

import argparse
from pathlib import Path

import httpx

from deploy.demo.receiver import Receiver
from deploy.demo.stage import StoryError, find_house
from deploy.demo.story import Story
from deploy.topology import GATEWAY_PORT, LOOPBACK


def main() -> None:
    """Play the story once."""
    parser = argparse.ArgumentParser(description="Plays one story through a running house.")
    parser.add_argument("--state", type=Path, default=Path("var"), help="the state folder of `make run`")
    parser.add_argument("--port", type=int, default=8000, help="the port of `make run`")
    arguments = parser.parse_args()
    places = [
        (f"http://{LOOPBACK}:{arguments.port}", arguments.state),
        (f"http://{LOOPBACK}:{GATEWAY_PORT}", arguments.state / "stack"),
    ]
    try:
        with httpx.Client(timeout=30, trust_env=False) as probe:
            url, state = find_house(probe, places)
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client, Receiver() as receiver:
            Story(client, state, receiver).play()
    except StoryError as error:
        raise SystemExit(f"\nthe story broke: {error}") from None
    except httpx.HTTPError as error:
        raise SystemExit(f"\nthe story broke: the house went away ({type(error).__name__})") from None


if __name__ == "__main__":
    main()

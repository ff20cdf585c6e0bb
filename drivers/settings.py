"""What the runner tells each driver, and what each has to get back."""

import os
import sys

HOST = os.environ["PROXY_HOST"]
PORT = int(os.environ["PROXY_PORT"])
USER = os.environ["PROXY_USER"]
PASSWORD = os.environ["PROXY_PASSWORD"]
DATABASE = os.environ["PROXY_DATABASE"]
CA = os.environ["PROXY_CA"]

NUMBER, TEXT = 41, "naïve"


def check(name: str, version: str, row) -> None:
    """Ends the program unless `row` answers `select current_user, NUMBER + 1, TEXT`."""
    got, want = tuple(row), ("IAMR:rs01", NUMBER + 1, TEXT)
    if got != want:
        sys.exit(f"{name}: got {got!r}, not {want!r}")
    print(f"{name} {version} ok")

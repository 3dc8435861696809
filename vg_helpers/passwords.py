"""Passwords in addresses, such as a database's: left out of every file, and handed to a notebook by its environment."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

VARIABLE = "VG_ADDRESSES"  # JSON: whole addresses by what `without_passwords` makes of them


def without_passwords(text: str) -> str:
    """Return text whose addresses, such as a database's, show no password.

    >>> without_passwords("postgresql://ada:s@cret@db.example.org/search")
    'postgresql://ada:***@db.example.org/search'
    """
    return re.sub(r"(\w://[^:/@\s\"']*):[^\s\"'\\]+@", r"\1:***@", text)


@contextmanager
def handed_over(parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the parameters without passwords; processes started meanwhile get the whole addresses from `whole`."""
    shown = {name: without_passwords(value) if isinstance(value, str) else value for name, value in parameters.items()}
    addresses = {shown[name]: value for name, value in parameters.items() if shown[name] != value}
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = json.dumps(addresses)
    try:
        yield shown
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before


def whole(address: str) -> str:
    """Return an address with the password that was left out of it, if this process was handed it."""
    return json.loads(os.environ.get(VARIABLE) or "{}").get(address, address)

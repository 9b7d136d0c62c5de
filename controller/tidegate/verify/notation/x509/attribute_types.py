"""Attribute types of distinguished names and their short names (RFC 4514, section 3)."""

from typing import Final

MANDATORY: Final = ("C", "ST", "O")


SHORT_NAMES: Final = {
    "2.5.4.3": "CN",
    "2.5.4.5": "SERIALNUMBER",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.17": "POSTALCODE",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
}


ALIASES: Final = {"S": "ST", **SHORT_NAMES}
"""How attributes may be written, beside their own names."""

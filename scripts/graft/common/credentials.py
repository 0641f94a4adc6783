"""Passwords and tokens are never in a file, a message or a log. Also for where only Snakemake is installed."""

import os
import re

IN_URI = re.compile(r"(?<=://)[^/@\s]+@")
NAMES = re.compile("PASSWORD|TOKEN(?!IZER)|SECRET")  # TOKENIZERS_PARALLELISM=false is no secret
SHORTEST = 4  # letters of a secret: to hide a shorter one would hide pieces of words


def has_credentials(uri):
    """Whether an address has a name or a password in it, such as https://name:password@host."""
    return bool(IN_URI.search(uri))


def without_credentials(text):
    """The text without names and passwords in addresses, and without what this process's variables say of passwords and tokens."""
    for name, value in os.environ.items():
        if NAMES.search(name) and len(value) >= SHORTEST:
            text = text.replace(value, "***")
    return IN_URI.sub("", text)

"""graft: transfer learning on scientific data. The library that graft's scripts share."""

import sys

__version__ = "0.1.0"


def _end_quietly(kind, error, trace):
    """Ctrl-C while a rule's script still imports is no fault that needs a traceback."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)


if hasattr(sys.modules.get("__main__"), "snakemake"):  # a script that Snakemake runs
    sys.excepthook = _end_quietly

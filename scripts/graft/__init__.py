"""graft: transfer learning on scientific data. The library that graft's scripts share."""

__version__ = "0.1.0"

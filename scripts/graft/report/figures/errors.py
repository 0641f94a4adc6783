"""The page of the samples that a regression misses by the most."""

from graft.report.figures.mistakes import plot

__all__ = ["plot"]

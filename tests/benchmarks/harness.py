"""What every benchmark row shares: two things run in turn, A B A B, in one process with the same threads."""

import os
import statistics
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version

import torch

from write_results import processor

THREADS = os.cpu_count()


@dataclass
class Row:
    """One measured comparison.

    id, what : the target's name, and what is compared
    ours, other : seconds of every repetition, or what else `unit` says
    target : "at least" or "at most" and a number: what median(other) / median(ours) shall be (with "at least"), or
        median(ours) / median(other) (with "at most"); where there is no other, ours itself
    quality : dict, the accuracy (or agreement) of both
    counts : dict, the work done, which does not vary: forwards, tokens, episodes, bytes
    """

    id: str
    what: str
    ours: list
    other: list
    target: tuple
    quality: dict = field(default_factory=dict)
    counts: dict = field(default_factory=dict)
    why: str = ""  # one sentence where the target is missed
    unit: str = "s"

    @property
    def ratio(self):
        ours = statistics.median(self.ours)
        if not self.other:
            return ours
        other = statistics.median(self.other)
        return other / ours if self.target[0] == "at least" else ours / other

    @property
    def met(self):
        return self.ratio >= self.target[1] if self.target[0] == "at least" else self.ratio <= self.target[1]

    def record(self):
        """For benchmarks.json."""
        return {
            **asdict(self),
            "target": " ".join(map(str, self.target)) + ("" if self.other else f" {self.unit}"),
            "ratio": self.ratio,
            "met": self.met,
        }


def alternate(ours, other, repeats=3, warm=True, threads=THREADS):
    """Run two functions in turn.

    Returns
    -------
    (seconds, seconds, result, result) : of `ours` and `other`; the results are those of the last repetition
    """
    torch.set_num_threads(threads)
    if warm:
        ours(), other()
    times, results = ([], []), [None, None]
    for _ in range(repeats):
        for place, run in enumerate((ours, other)):
            start = time.perf_counter()
            results[place] = run()
            times[place].append(time.perf_counter() - start)
    return *times, *results


def machine():
    """What all this was measured on."""
    names = ("torch", "torchvision", "timm", "transformers", "snakemake", "numpy")
    return {"processor": processor(), "threads": THREADS, "versions": {name: version(name) for name in names}}


def table(rows):
    """The rows as Markdown: figure, ours, other, ratio, target, quality of both."""
    lines = [
        "| # | what | ours, s | other, s | ratio | target | ours | other |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        unit = "" if row.unit == "s" else f" {row.unit}"
        seconds = [f"{statistics.median(one):.3g}{unit}" if one else "" for one in (row.ours, row.other)]
        missed = "" if row.met else " (missed)"
        sides = [row.quality.get(side, "") for side in ("ours", "other")]
        what = row.what + (f"; {row.why}" if row.why and not row.met else "")
        cells = [row.id, what, *seconds, f"{row.ratio:.3g}{missed}", " ".join(map(str, row.target)), *map(str, sides)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)

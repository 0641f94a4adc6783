"""What every benchmark row shares: two things run in turn, A B A B, in one process with the same threads."""

import os
import statistics
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version

import torch

from benchmarks.write_results import processor

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


def table(records):
    """What `Row.record` gave as Markdown: metric, ours, other, each with its quality, ratio, target, number of runs."""
    lines = ["| # | what | ours | other | ratio | target | runs |", "|---|---|---|---|---|---|---|"]
    for record in records:
        what = record["what"] + (f" ({record['why']})" if record["why"] and not record["met"] else "")
        sides = [_side(record, side) for side in ("ours", "other")]
        ratio = f"{record['ratio']:.3g}" + ("" if record["met"] else ", missed")
        runs = " / ".join(str(len(record[side])) for side in ("ours", "other") if record[side])
        lines.append(f"| {' | '.join([record['id'], what, *sides, ratio, record['target'], runs])} |")
    return "\n".join(lines)


def _side(record, side):
    """The median of one side, and its quality."""
    measured = f"{statistics.median(record[side]):.3g} {record['unit']}" if record[side] else ""
    return "; ".join(filter(None, [measured, str(record["quality"].get(side, ""))]))

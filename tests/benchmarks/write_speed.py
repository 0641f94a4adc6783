"""Write the tables of docs/benchmarks.md and README.md from what `make bench` measured: `python tests/benchmarks/write_speed.py`."""

import argparse
import json
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "scripts")]

ROOT = HERE.parent.parent
MAIN = ("P1", "P2b", "P3b", "P4b", "P5b", "P6")
BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"


def main(records, page, readme):
    """Replace what is between the markers of `page` by the table of `records` (benchmarks.json), in `readme` by its main rows."""
    from benchmarks.harness import table
    from benchmarks.write_results import put_between

    found = json.loads(Path(records).read_text(encoding="utf-8"))
    machine = found[0]["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    by = f"Measured with `make bench` on {machine['threads']} cores of {machine['processor']}, {versions}."
    put_between(page, BEGIN, END, f"{table(found)}\n\n{by}")
    put_between(readme, BEGIN, END, f"{short(found)}\n\n{by}")


def short(records):
    """The main rows as Markdown, by how many times graft is as fast."""
    lines = ["| what | graft | other | times as fast |", "|---|---|---|---|"]
    for one in (one for one in records if one["id"] in MAIN):
        ours, other = statistics.median(one["ours"]), statistics.median(one["other"])
        lines.append(f"| {one['what']} | {ours:.3g} s | {other:.3g} s | {other / ours:.2g} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", nargs="?", type=Path, default=Path("results/bench/benchmarks.json"))
    main(parser.parse_args().records, ROOT / "docs/benchmarks.md", ROOT / "README.md")

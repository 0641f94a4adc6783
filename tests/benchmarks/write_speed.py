"""Write the README's table of speed from what `make bench` measured: `python tests/benchmarks/write_speed.py`."""

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "scripts")]

README = HERE.parent.parent / "README.md"
BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"


def main(records, readme):
    """Replace what stands between the markers of `readme` by the table of `records` (benchmarks.json)."""
    from benchmarks.harness import table
    from write_results import put_between

    found = json.loads(Path(records).read_text(encoding="utf-8"))
    machine = found[0]["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    by = f"Measured with `make bench` on {machine['threads']} cores of {machine['processor']}, {versions}."
    put_between(readme, BEGIN, END, f"{table(found)}\n\n{by}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", nargs="?", type=Path, default=Path("results/bench/benchmarks.json"))
    parser.add_argument("--readme", type=Path, default=README)
    arguments = parser.parse_args()
    main(arguments.records, arguments.readme)

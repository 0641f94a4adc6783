"""Measure graft against the scripts that it replaces: `python tests/benchmarks/bench.py [ROW]`, as `make bench` does.

One file per target, p01_frozen.py and so on, each with a `run()` that yields rows (harness.Row).
"""

import argparse
import importlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "scripts")]


def main(row, output):
    """Run the files of `row` (all of them if None), print the table, write the JSON."""
    from benchmarks import harness
    from graft.common.job import keep_freed_memory
    from graft.common.outputs import write_json

    keep_freed_memory()
    files = sorted(path.stem for path in HERE.glob("p[0-9]*.py"))
    chosen = [name for name in files if not row or int(name[1:3]) == int("".join(filter(str.isdigit, row)))]
    if not chosen:
        sys.exit(f"there is no row {row}; rows: {', '.join(files)}")
    records = []
    for name in chosen:
        for found in importlib.import_module(f"benchmarks.{name}").run():
            records.append({**found.record(), "machine": harness.machine()})
            print(harness.table(records[-1:]).splitlines()[-1], flush=True)
            write_json(output, records)  # after every row: half an hour's numbers do not depend on the last one
    print("", harness.table(records), sep="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row", nargs="?", help="P1, P4, ..")
    parser.add_argument("--output", type=Path, default=Path("results/bench/benchmarks.json"))
    arguments = parser.parse_args()
    main(arguments.row, arguments.output)

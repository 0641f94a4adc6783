"""Some columns of a table: `python docs/tutorials/show.py results/summary.csv model test_accuracy --rows 3 --only stage=finetune`."""

import argparse

import pandas as pd


def main(table, columns, only=(), rows=None):
    """The columns of a CSV or Parquet file as text, numbers with three digits; `only` has conditions such as split=test."""
    frame = pd.read_parquet(table) if table.endswith(".parquet") else pd.read_csv(table)
    for condition in only:
        column, _, value = condition.partition("=")
        frame = frame[frame[column].astype(str) == value]
    return frame[columns].dropna(how="all").head(rows).round(3).to_string(index=False, na_rep="")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("table")
    parser.add_argument("columns", nargs="+")
    parser.add_argument("--only", action="append", default=[], metavar="COLUMN=VALUE")
    parser.add_argument("--rows", type=int)
    print(main(**vars(parser.parse_args())))

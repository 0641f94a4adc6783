"""How tests call scripts/predict.py."""

from types import SimpleNamespace

SETS = {"levels": [0.9], "sets": "lac", "intervals": "absolute", "within": "auto"}  # the config's default


def outputs_in(folder):
    """The paths of what it writes."""
    return SimpleNamespace(
        predictions=folder / "p.parquet", metrics=folder / "m.json", conformal=folder / "conformal.json"
    )

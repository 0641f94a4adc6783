"""Metrics as columns of summary.csv."""

SPLITS = ("test", "validation")


def flatten(metrics):
    """Columns test_accuracy, test_accuracy_low, test_accuracy_high and so on, of what metrics.json says."""
    ends = {"": "value", "_low": "low", "_high": "high"}
    return {
        f"{split}_{name}{end}": metric[key]
        for split in SPLITS
        for name, metric in metrics.get(split, {}).items()
        for end, key in ends.items()
    }

"""The figures of one trained model: one file each, with a function that draws it from what `plots.read_judged` gives."""

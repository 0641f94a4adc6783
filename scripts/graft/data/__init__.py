"""From the files of a lab to the manifest: who the samples are, their labels, splits and folds.

In: a data set's entry and its folder. Out: samples.parquet, labels.json, the data card.
"""

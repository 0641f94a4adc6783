"""From rows to the vectors of a frozen network, computing only what the store lacks.

In: the manifest and a network. Out: features.parquet.
"""

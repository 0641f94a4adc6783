"""How a metric grows with the number of labels: learning curves, and what they foretell.

In: stored embeddings, labels, splits; and what networks said that were trained on subsets. Out: the metric of a head, and of these networks,
on nested subsets of the train rows, a power law through these, and between how many more labels a value is reached.
"""

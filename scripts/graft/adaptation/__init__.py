"""From a labelled source domain to a target domain without labels: maps of embeddings, objectives, choice without labels.

In: embeddings of both domains, labels of the source. Out: heads for the target's embeddings. No function takes the labels of
the target.
"""

"""Episodes of few labelled samples, and the classifiers that are tried on them.

In: stored embeddings. Out: few_shot_predictions.csv.
"""

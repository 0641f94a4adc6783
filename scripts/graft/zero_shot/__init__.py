"""Classes told apart by their descriptions, without labels of them.

In: stored embeddings or texts, and descriptions. Out: zero_shot_predictions.csv.
"""

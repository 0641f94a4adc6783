"""Convex heads on embeddings, solved exactly, and what makes probabilities of their logits.

In: embeddings and labels. Out: weights, temperatures.
"""

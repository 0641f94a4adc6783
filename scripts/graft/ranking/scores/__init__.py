"""Scores by which backbones are ranked, each a file with

    score(rows) -> float, more is better; None where it says nothing of this kind of target

rows : ranking.Rows, the labelled train and validation rows of a target with their embeddings
"""

"""Scores of classes, each a file with

score(chances) -> float array, shape (n, classes): how unusual each class would be as the truth of each row, from
probabilities of the same shape
"""

"""Scores of classes, each a file with

score(chances, samples) -> float array, shape (n, classes): how unusual each class would be as the truth of each row, from
probabilities of the same shape; `samples` are the ids of the rows, for what is drawn for each (conformal.draws)
"""

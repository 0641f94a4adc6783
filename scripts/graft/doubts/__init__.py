"""What is doubtful about the data: labels that are probably wrong.

In: labels, and what a model that did not see them says. Out: the rows to look at, the most doubtful first.
"""

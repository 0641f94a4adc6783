"""The one training loop, what a method sees of a run, and how it resumes.

In: the manifest without test rows, a network, settings. Out: ft_model.pt, ft_history.csv.
"""

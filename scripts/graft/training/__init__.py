"""The one training loop, the trainer and the data that a method works with, and how a training resumes.

In: the manifest without test rows, a network, settings. Out: ft_model.pt, ft_history.csv.
"""

"""Models that are made of trained ones: who their members are, and how the members' answers become one.

In: ft_model.pt, prediction tables or logits of the members. Out: an ft_model.pt without a network, prediction tables, logits.
"""

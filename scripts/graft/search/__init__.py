"""Search with a budget: which backbone, method, learning rate and augmentation suit a data set.

In: minutes, rates, trained trials. Out: the list of trials, the order of a rung, the settings that are taken.
"""

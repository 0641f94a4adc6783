"""Which split and fold each row is in, with all that must stay together.

In: labelled rows with groups and contents. Out: the same rows with `split` and `fold`.
"""

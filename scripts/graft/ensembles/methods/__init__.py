"""Ways to make one answer of several. One file per way, found by its name.

A way has `combine(answers)`: float array of shape (members, n, k), calibrated probabilities of k classes or labels or k = 1 value,
to the same of shape (n, k). It sees no label. A way with `WEIGHS = True` also has `weigh(evidence, loss)`, which gives each member's
share; `combine` gets these as its second argument.
"""

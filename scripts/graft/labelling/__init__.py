"""The label desk: which rows of the pool to label next, the page on which they are labelled, and how their labels come back.

In: what the best model says of the pool, embeddings. Out: an order of the pool's rows. A strategy is a plug-in in `strategies`.
"""

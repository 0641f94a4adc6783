"""Strategies, each a file with

    order(pool, count) -> (int array, float array), both of shape (count,): places of rows of the pool, the one whose label is
        expected to teach most first; and a score of each

pool : labelling.pool.Pool. The first rows are labelled first, however many: each beginning of the order must be a good choice.
"""

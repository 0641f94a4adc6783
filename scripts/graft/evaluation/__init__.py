"""How good predictions are, and how sure that is.

In: a trained network or its predictions. Out: predictions.parquet, metrics.json, which model to take.
"""

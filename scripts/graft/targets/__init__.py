"""What the outputs of a network mean for a target: kinds of targets, the prediction table, out-of-fold outputs.

In: outputs of heads, labels. Out: losses, calibration, prediction tables with their metrics.
"""

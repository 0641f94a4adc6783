"""Conformal prediction: sets of classes, and intervals of numbers, that hold the truth as often as they say.

In: a prediction table with rows that had no part in the model. Out: thresholds, the columns set_90 or low_90 and high_90, and how often
these hold the truth. Of new rows that are like the calibrating ones (exchangeable with them), a share of at least the level has its
truth in its set (Vovk et al. 2005, "Algorithmic learning in a random world"). Of another instrument, or of other groups than the
calibrating ones, nothing is promised. A score is a plug-in, in `class_scores` or `number_scores`.
"""

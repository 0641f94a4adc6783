"""Controls: what is reached without a pretrained network, so that one sees what it is worth.

In: the samples themselves, their labels and splits. Out: a prediction table of each control, judged as those of models are. A control
is a plug-in in `methods`.
"""

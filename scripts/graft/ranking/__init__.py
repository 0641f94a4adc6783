"""Which pretrained network suits a data set, before anything is trained: scores of stored embeddings.

In: embeddings of labelled train and validation rows. Out: a table of scores and ranks. A score is a plug-in in `scores`.
"""

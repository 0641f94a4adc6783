"""Nothing is adapted: the network is trained on the source alone, to compare with."""

CLASSES_ONLY = False
SOURCE_FREE = False
ADAPTS = False

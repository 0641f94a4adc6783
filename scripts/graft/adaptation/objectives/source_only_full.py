"""No adaptation: the network is trained on the source alone, for comparison."""

CLASSES_ONLY = False
SOURCE_FREE = False
ADAPTS = False

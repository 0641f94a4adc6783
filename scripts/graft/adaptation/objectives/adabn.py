"""The source's network with the target's BatchNorm statistics: nothing is trained (AdaBN, Li et al. 2017)."""

from graft.adaptation.batchnorm import take_statistics as take_statistics  # what is done instead of a training

CLASSES_ONLY = False
SOURCE_FREE = True

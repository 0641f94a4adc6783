"""Adaptation on stored embeddings. One file per method, found by its name, with one of two functions.

``maps(domains, settings) -> Maps``: affine maps of both domains' rows into one space (see domains.py). A head is solved on the
mapped source rows, and acts on the target's through the target's map: it is linear in the embeddings as they are. A method may
have a ``head``, too, which changes the solved head by mapped rows of the target, see mcc_head.py.

``priors(source, labels, target) -> Tensor (classes,)``: the shares of the classes in the target, from calibrated probabilities
of source rows (n, classes) with their labels, and of the target's (m, classes), see label_shift.py. Only for classes:
CLASSES_ONLY is True.
"""

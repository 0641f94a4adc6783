"""Kinds of targets. One file per kind, found by its name: what the outputs for such a target mean, from loss to metrics.

A kind has

* `LABEL`, the column of the prediction table with the truth; `CLASS_WEIGHTS`, whether its loss can weigh classes
* `outputs_of(target)`: how many outputs a target of labels.json needs
* `encode(codes, train, target)`: what the loss compares the outputs with, and how to read outputs (kept in ft_model.pt); `codes` are
  those of samples.Manifest.codes, `train` marks the rows that may be looked at
* `known(codes)`: which rows have a label
* `losses(outputs, codes, settings, class_weights)`: the loss of each sample, a Tensor of shape (n,)
* `chance_loss(codes)`: the mean loss of the best constant answer, by which several targets get the same scale
* `solve(features, codes, ...)`: the head on stored embeddings, see heads.probe.solve_probe
* `calibrate(outputs, codes, facts, shift)`: what makes predictions of outputs, kept in ft_model.pt; `facts` are the target's,
  with what `encode` gave
* `judge(outputs, codes, shift)`: the numbers of a history, on validation rows
* `answers(outputs, facts)`: calibrated probabilities or values, which ensembles combine, (n, k); `answers_in(table, facts)`: the same
  out of a prediction table; `outputs_for(answers, facts)`: outputs that have these answers, where `facts` are from `settle`
* `settle(answers, codes, members)`: what makes predictions of combined answers, as `calibrate` does of outputs; `codes` are those of
  samples.Manifest.codes, `members` the facts of each member
* `evidence(answers, codes)`: for each answer that is known, the probability of the truth, or how far a number is off, (cells,): of the
  weighted mean of several answers, it is that of their evidence; `loss_of_evidence(evidence)`: the mean loss
* `columns(outputs, codes, facts)`: the columns of the prediction table; `metrics(parts, facts)`: metrics of its splits
"""

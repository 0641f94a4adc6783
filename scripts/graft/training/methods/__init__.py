"""Fine-tuning methods. One file per method, found by its name.

A method has `train(run) -> (history, fold_heads)`, which leaves the trained weights in `run.network`, and constants:
`USES_FEATURES` (it needs the stored embeddings of its backbone), `FROZEN` (the backbone keeps its weights and is not run:
the method works on `run.embeddings`), and where it learns from rows without labels `USES_POOL` (their embeddings are an
input; new ones make the model anew).
"""

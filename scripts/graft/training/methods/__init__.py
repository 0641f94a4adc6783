"""Fine-tuning methods. One file per method, found by its name.

A method has `train(trainer) -> Trained` (see trainer.py), and constants: `USES_FEATURES` (it needs the stored embeddings of
its backbone), `FROZEN` (the backbone keeps its weights and is not run: the method works on `trainer.data.embeddings`).
"""

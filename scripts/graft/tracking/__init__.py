"""What an experiment tracker is told when a run is over.

In: summary.csv, the settings of models and tasks, histories, figures, model cards. Out: one run in the tracker for each model and
seed. `tracked` says what is sent, `to_mlflow` sends it.
"""

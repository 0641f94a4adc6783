"""Trained models on new samples: make predict, exported models, model cards, distances to the training data."""

"""Controls, each a file with

    MODALITIES : tuple of "image", "text", "vector": what it can look at
    answers(rows) -> float array, shape (n, outputs), of all rows: probabilities of the classes, of each label, or numbers

rows : controls.rows.Rows. What a control learns is from train rows alone; `rows.fitted` fits scikit-learn's estimators.
"""

"""Tables of any kind to columns: kinds by their first bytes, encodings, separators, numbers as people write them."""

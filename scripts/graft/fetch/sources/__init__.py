"""Where data and weights come from, one file per kind of source, found by its name."""

"""Zero-shot methods, each one file with a few constants and `score`, found by its name.

* `READS`: what it scores, "embeddings" that are stored, or the "texts" themselves,
* `NAMED`: modality that it takes, "text" or "image" -> templates for classes that the user has not described,
* `DESCRIBED`: the same for descriptions that the user wrote,
* `TEXT_BACKBONE`, if True: it needs a second backbone that reads the class names,
* `score(task) -> float64 array, shape (n, classes)`: the largest wins, a temperature makes them probabilities. `task` is
  task.Task.
"""

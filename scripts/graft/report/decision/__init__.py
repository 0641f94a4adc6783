"""What a lab decides by, target by target: which model, why, how sure, how many more labels, what is doubtful, what to do next.

In: summary.csv, the choice among the models, and the files that say how sure it is. Out: facts that results/index.html shows.
"""

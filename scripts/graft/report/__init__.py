"""What people look at: figures, pages, and the last words of a run.

In: the files of the other packages. Out: SVG, HTML, text.
"""

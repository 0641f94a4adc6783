"""Maps of embeddings.

points.py says which samples are shown and where, targets.py what is known of their targets and in which colours, page.py makes
the page. The figure is figures/embedding_map.py.
"""

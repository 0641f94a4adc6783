"""Where data and weights come from: from the source that the config names to a folder that later rules read offline.

In: an entry of the config. Out: dataset.json and its files, backbone.json and its weights, every byte checked.
"""

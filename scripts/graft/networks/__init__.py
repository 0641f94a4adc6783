"""Pretrained networks: from files of weights (read, never executed) to a network with a head per target.

Out: modules that give one vector per sample.
"""

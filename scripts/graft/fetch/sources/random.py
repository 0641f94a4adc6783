"""Untrained weights: nothing to fetch, the network is initialised from source.seed."""


def asset(want):
    return None


def fetch(want):
    return {"files": {}}

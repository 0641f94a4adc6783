"""Sources of data and weights. One file per kind, found by its name. Each has

* `fetch(want) -> dict`: put the files into `want.folder`; returns what is known of them (revision, commit, licence),
* `asset(want) -> str or None`: the name that the lock file knows them by, None where nothing is downloaded.

`want` holds kind ("dataset" or "backbone"), name, entry, source, folder, cache (for unfinished downloads) and pinned
(the hub's commit that the lock file remembers, or None).
"""

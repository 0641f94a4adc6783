"""Files in a folder of samples that show what others show: masks, changed copies, the same image in another format."""

import fnmatch
import functools
import posixpath
import re

SHARE = 0.05  # of the files, from which they are said
MADE = re.compile(r"(?i)((ground|seg|instance|binary)[ _-]?)?(masks?|truth|gt|seg|segmentations?|annotations?|labels?)")
WORD = re.compile(r"(.*[^/])[ _.-][^\W\d_]+(?:[ _.-]?\d+)?$")  # what is before the last word of a name


def notes_on(paths, labels):
    """A note where many files look like companions of others, which the samples' labels are not about; list of str.

    In the same folder, a file is the companion of one that has the same name except for its suffix, or a word
    behind it (7_mask.png beside 7.png). In another folder, it is the companion of one of the same name if its folder is
    called like masks and is not itself the class.

    Parameters
    ----------
    paths : list of str, relative to the source, of all samples
    labels : list of str or None, the class of each; those without one are not looked at
    """
    labels = {path: label for path, label in zip(paths, labels, strict=True) if label is not None}
    paths = sorted(labels)
    masks = {path for path in paths if _in_masks(path.rpartition("/")[0], labels[path])}
    stems = {}
    for path in paths:
        stems.setdefault(_stem(path), path)
    plain = {stem.rpartition("/")[2]: path for stem, path in stems.items() if path not in masks}
    pairs = {path: other for path in paths if (other := _companion_of(path, stems, plain, masks))}
    if len(pairs) < SHARE * len(paths):
        return []
    path, other = next(iter(pairs.items()))
    pattern = _pattern([one for one in paths if one not in pairs], list(pairs))
    out = f"`files: ['{pattern}']` under `source` leaves them out" if pattern else "move them out of the source"
    return [
        f"{len(pairs)} of {len(paths)} files look like masks or copies of others, such as {path} of {other}. Each is a "
        f"separate sample, and may be in another split than its original. If they are not samples, {out}"
    ]


def _companion_of(path, stems, plain, masks):
    """The file that `path` was made of by its name; None if there is none."""
    stem = _stem(path)
    if stems[stem] != path:
        return stems[stem]
    word = WORD.search(stem)
    if word and word[1] in stems:
        return stems[word[1]]
    return plain.get(stem.rpartition("/")[2]) if path in masks else None


def _stem(path):
    return path[: path.rindex(".")]


@functools.lru_cache(maxsize=65536)
def _in_masks(folder, label):
    return any(MADE.fullmatch(name) for name in folder.split("/") if name != label)


def _pattern(wanted, others):
    """A pattern that takes the wanted files and none of the others; None if no plain one does."""
    ends = "".join(sorted({_stem(path)[-1:] for path in wanted}))
    folders = set.intersection(*(set(path.split("/")[:-1]) for path in wanted))
    tries = [f"*{suffix}" for suffix in sorted({posixpath.splitext(path)[1] for path in wanted})]
    tries += [f"*{folder}/*" for folder in sorted(folders)] + [f"*[{ends}].*"] * (not set(ends) & set("]!^-"))
    for pattern in tries:
        takes = re.compile(fnmatch.translate(pattern)).match
        if all(map(takes, wanted)) and not any(map(takes, others)):
            return pattern
    return None

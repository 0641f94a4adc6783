"""Classes with an order: words of scales that people use, and names of columns whose whole numbers are grades."""

import re

from graft.data.survey.words import words_of

# From low to high; words of one place mean about the same.
SCALES = (
    (
        "none absent negative healthy",
        "minimal trace negligible",
        "low mild slight weak minor gering leicht faible leve",
        "medium moderate intermediate mid middle average mittel moyen moderado",
        "high severe strong major marked hoch schwer fort grave",
        "critical extreme fatal",
    ),
    ("tiny", "small klein petit", "medium mittel moyen", "large big gross grand", "huge"),
    ("poor bad", "fair", "good", "excellent"),
    ("never", "rarely seldom", "sometimes", "often", "always"),
    ("early young", "middle adult", "late old"),
    ("first primary", "second secondary", "third tertiary", "fourth quaternary"),
)
PLACES = [{word: place for place, words in enumerate(scale) for word in words.split()} for scale in SCALES]
ROMAN = {"0": 0, "i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6}
GRADES = frozenset(
    [
        "grade",
        "grading",
        "stage",
        "staging",
        "severity",
        "level",
        "degree",
        "score",
        "rating",
        "gleason",
        "isup",
        "stufe",
        "grad",
        "schweregrad",
        "stadium",
    ]
)
LEAST = 3  # classes, of which an order can be told


def says_grades(name):
    """Whether a column's name says that what it holds has an order."""
    return not GRADES.isdisjoint(words_of(name))


def in_order(name, classes):
    """The classes (list of str) from low to high, or None where no scale is known that has all of them.

    Words that all classes have in common, as in `low risk` and `high risk`, say nothing. Roman numbers, and numbers behind the same
    letters (G1, T2), have an order if the name of the column says so.
    """
    if len(classes) < LEAST:
        return None
    split = [re.findall(r"[^\W\d_]+|\d+", word.casefold()) for word in classes]
    common = set.intersection(*map(set, split))
    own = [" ".join(part for part in one if part not in common) for one in split]
    known = [places for places in PLACES if all(word in places for word in own)]
    places = [found[word] for found in known[:1] for word in own]
    if not places and says_grades(name):
        places = [ROMAN.get(word, int(word) if word.isdecimal() else None) for word in own]
    if not places or None in places or len(set(places)) < len(places):
        return None
    return [word for _, word in sorted(zip(places, classes, strict=True))]

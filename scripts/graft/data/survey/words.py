"""What a name says: the words of a column's, folder's or file's name, whole ones, and what they usually mean."""

import re

from graft.common.spelling import plain
from graft.data.listing.rows import PIECE, SPLIT_OF, SPLITS


def _set(words):
    return frozenset(words.split())


GROUP = _set(
    "patient subject donor site hospital center centre clinic batch slide plate well animal mouse rat scanner family "
    "scaffold group session field fov specimen lot wafer station lab laboratory run day week year pid case volunteer "
    "instrument device machine camera operator reader participant person individual speaker author user thread cohort "
    "chip cage litter herd farm plot tray cohort spectrometer microscope sensor "
    "subj patientin patienten proband probandin probanden versuchstier maus ratte spender klinik krankenhaus kohorte "
    "sujet donneur paciente donante lote paziente lotto"
)
TARGET = _set(
    "label class classes target category diagnosis dx outcome relevant response species phase grade type status activity "
    "property truth annotation phenotype severity topic tag finding stage triage klasse kategorie diagnose clase categoria categorie espece especie etiqueta "
    "etichetta"
)
ID = _set("id uid uuid identifier accession doi pmid name key index sample specimen barcode nr no nummer kennung")
TEXT = _set("text fulltext abstract sentence smiles sequence note comment message report title content description")
REPLICATE = _set("replicate replica repl rep repeat repetition")
PLACE = _set("x y z centroid coordinate coord position pos latitude longitude lat lon")
WHEN = _set("date timestamp datetime datum uhrzeit zeitpunkt zeitstempel fecha hora heure")
ACT = _set(  # before `time`: scan_time
    "acq acquisition acquired scan recording recorded sampling collection start end created"
)
SPOT = _set("plate well tray slide chip")
LINE = _set("row col column")  # of a plate
ALONE = _set("index idx row col column nr no time nummer laufnummer numero n° № 序号 编号 番号 連番")  # as a whole name
# Scripts that put no blanks between words: anywhere in a name.
GROUP_ANYWHERE = ("患者", "病人", "受试者", "被试", "批次", "病院", "医院")
TARGET_ANYWHERE = ("类别", "类型", "等级", "分类", "标签", "诊断", "診断", "ラベル")
WHEN_ANYWHERE = ("日期", "日付", "时间", "時刻", "datum", "uhrzeit")
AMOUNT = _set("concentration conc dose amount yield mass weight temperature")
# After another word these make a measure of it: response_time, patient_age, type_count.
MEASURE = _set(
    "time date count size length width height x y z rate ratio probability strength depth speed velocity source url file "
    "path position unit age sex weight"
)
CLASS = _set("label class classes category diagnosis species genus klasse kategorie clase categoria categorie")
SPLIT_TOO = _set(
    "calibration cal prediction pred external holdout hold-out internal tuning eval evaluation validate trn tst discovery "
    "replication"
)  # of other fields
MOST_SPLITS = 8
NUMBERED = _set("id uid uuid identifier number num nr no name code index idx key barcode nummer")
COUNT = _set("n age count number num score total sum alter anzahl edad")


def words_of(name):
    """The words of a name in lower case: PatientID, patient_id and patient-7 are [patient, id], [patient, id], [patient].

    Parameters
    ----------
    name : str; split at everything that is no letter, and where capitals begin a word

    Returns
    -------
    list of str, without the s of a known word's plural; `patientid` is [patient, id]
    """
    return [part for piece in PIECE.findall(plain(name)) for part in _parts(piece.lower())]


def _parts(word):
    known = GROUP | TARGET | ID | TEXT | REPLICATE
    for end in ("", "id", "nr", "no", "name", "nummer"):
        stem = word.removesuffix(end) if end else word
        if end and stem == word:
            continue
        one = stem.removesuffix("s")  # days and runs are counts, labels and notes are not
        single = stem if stem in known else one if one in TARGET | TEXT else None
        if single:
            return [single, end] if end else [single]
    return [word]


def says_group(column):
    """Whether a column's name says that its values are patients, plates, days and the like: by its last word."""
    words = words_of(column)
    while len(words) > 1 and words[-1] in NUMBERED:
        words = words[:-1]
    return (bool(words) and (words[-1] in GROUP or words == ["groups"])) or any(
        part in column for part in GROUP_ANYWHERE
    )


def says_target(column):
    """Whether a column's name says that it is to be learned; y alone, but not centroid_y."""
    words = words_of(column)
    if words in (["y"], ["y", "true"], ["y", "value"]) or any(part in column for part in TARGET_ANYWHERE):
        return True
    if not words or (len(words) > 1 and words[-1] in MEASURE):
        return False
    while len(words) > 1 and words[-1] in NUMBERED:
        words = words[:-1]
    return words[0] in TARGET or words[-1] in TARGET


def says_id(column):
    words = words_of(column)
    return bool(words) and words[-1] in ID and not (words[-1] in ("no", "nr") and column[-1].isdigit())  # NO2 is a gas


def says_text(column):
    return bool(TEXT.intersection(words_of(column)))


def says_amount(column):
    return bool(AMOUNT.intersection(words_of(column)))


def says_classes(column):
    """Whether a column's name says that its values are classes, also where these are numbers; `activity` does not."""
    return bool(CLASS.intersection(words_of(column))) and says_target(column)


def says_fold(column):
    return words_of(column)[-1:] in (["fold"], ["folds"])


def looks_like_split(column, values):
    """Whether a column with a few different `values` (lower case) says which rows train and test, in words or by its name."""
    words, known = words_of(column), set(SPLIT_OF) | SPLIT_TOO
    named = len(words) == 2 and words[0] in ("is", "in") and words[1] in SPLIT_OF and len(values) <= 2
    said = [value in known or (words_of(value) and known.issuperset(words_of(value))) for value in values]  # val1, too
    return named or (1 < len(values) <= MOST_SPLITS and all(said))


def says_measure(column):
    """Whether a column's name says that its numbers are counts, ages, sizes and the like, and no codes."""
    words = words_of(column)
    return bool(set(words[:1] + words[-1:]) & COUNT) or bool(MEASURE.intersection(words[-1:])) or says_amount(column)


def is_replicate(column):
    """Whether a column's name says that it numbers the rows, or the replicates of one sample."""
    words = words_of(column)
    return bool(REPLICATE.intersection(words[:1] + words[-1:])) or column.strip(" #._-").lower() in ALONE


def is_aside(column):
    """Whether a column's name says that it numbers replicates, or says where or when: no target and no group."""
    words = words_of(column)
    ends = set(words[:1] + words[-1:])
    return is_replicate(column) or (words != ["y"] and bool(ends & (PLACE | WHEN)))


def says_where_or_when(column):
    """Whether a column's name says where on a plate, or when, a sample was measured; retention_time does not."""
    words = words_of(column)
    *before, last = words or [""]
    when = bool({*words[:1], last} & WHEN) or (last == "time" and bool(ACT.intersection(before)))
    on_plate = last in LINE and bool(SPOT.intersection(before))
    return when or on_plate or any(part in column.lower() for part in WHEN_ANYWHERE)


def has_no_name(column):
    """Whether a column has the name that a reader or pandas gives one without a name: often the numbers of the rows."""
    return not column.strip() or bool(re.fullmatch(r"column \d+|Unnamed: \d+(_level_\d+)?|__index_level_\d+__", column))


def folder_says_group(name):
    """Whether a folder's name has a word of groups in it: site-1, hospital_ulm."""
    return bool(GROUP.intersection(words_of(name)))


def split_of_name(stem):
    """("test", "study") of studyTest, study_test and test-study; (None, stem) where a name says no split.

    Parameters
    ----------
    stem : str, a file's name without its suffix
    """
    if stem.lower() in SPLIT_OF:
        return SPLIT_OF[stem.lower()], ""
    words = "|".join(word for words in SPLITS.values() for word in words)
    capital = "|".join(word.capitalize() for words in SPLITS.values() for word in words)
    for pattern in (
        rf"(?i:(?P<rest>.+?)[_. -]+(?P<split>{words}))",
        rf"(?i:(?P<split>{words})[_. -]+(?P<rest>.+))",
        rf"(?P<rest>.*[a-z0-9])(?P<split>{capital})",
        rf"(?P<split>{words}|{capital})(?P<rest>[A-Z0-9].*)",
    ):
        hit = re.fullmatch(pattern, stem)
        if hit:
            return SPLIT_OF[hit["split"].lower()], hit["rest"]
    return None, stem

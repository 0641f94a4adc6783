"""What separates the columns of a text table, where the table begins, and which lines do not fit."""

import contextlib
import csv
import io
import itertools
import re
from collections import Counter

from graft.common.errors import UserError
from graft.common.spelling import nfc

SNIFFED = 200_000  # characters from which the separator is guessed
EXCEL = re.compile(r'"?sep=.?"?')  # the first line of some CSV files, for Excel
SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|", "whitespace": None}


def records(text, character):
    """(number of the first line, fields) of every row that is not blank; `character` None means runs of blanks."""
    before, lines = 0, io.StringIO(text, newline=None)
    if character is None:
        lines = (line.replace("\t", " ").strip() for line in lines)
        reader = csv.reader(lines, delimiter=" ", skipinitialspace=True)
    else:
        reader = csv.reader(lines, delimiter=character)
    for row in reader:
        if row:
            yield before + 1, row
        before = reader.line_num


def open_quotes(text, character):
    """(first line, last line, whether a quote mark ends it) of every row that a quote mark makes too long.

    The quote that ends a field is before a separator or at the end of a line. Where text follows it, or where there is
    none, the field was not quoted: it only begins with a quote mark, as a text may.
    """
    lines = list(io.StringIO(text, newline=None))
    starts = [line for line, _ in records(text, character)]
    for first, after in itertools.pairwise([*starts, len(lines) + 1]):
        own = lines[first - 1 : after - 1]
        while not own[-1].strip():
            own.pop()
        if len(own) == 1 and first != starts[-1]:
            continue
        try:
            list(csv.reader(own, delimiter=character, strict=True))
        except csv.Error as error:
            yield first, first + len(own) - 1, "end of data" not in str(error)


def without_blank_end(row):
    """The fields up to the last one that is not blank."""
    end = len(row)
    while end and not row[end - 1].strip():
        end -= 1
    return row[:end]


def begin(text, skip_lines, wanted, header, notes):
    """The text from its header row on (or its first row, where `header` names the columns), and the lines before it.

    Before the header row come `skip_lines` lines of any kind, then Excel's `sep=;`, then lines that begin with #. The last of these
    may be the header row itself, as in `#id,label`.
    """
    lines = _numbered_lines(text)
    start, comments = 0, []
    for number, place, line in lines:
        if number < skip_lines:
            continue
        if EXCEL.fullmatch(line.strip()) and place == 0:
            continue
        if line.strip() and not _is_comment(line, header):
            start = (number, place, line)
            break
        comments += [(number, place, line)] if line.strip() else []
    else:
        start = (text.count("\n"), len(text), "")
    if comments and not header and _is_header(comments[-1][2], start[2], wanted):
        start = comments.pop()
    if comments:
        notes.append(f"{len(comments)} lines that begin with # before the header were passed over")
    number, place, line = start
    mark = re.match(r'[ "]*#+\s*', line)
    if mark and not header and _fields(line)[0] not in wanted:
        return ('"' if '"' in mark[0] else "") + text[place + mark.end() :], number
    return text[place:], number


def _numbered_lines(text):
    """(number from 0, place in the text, line) of each line."""
    place = number = 0
    for found in re.finditer("\r\n|\r|\n|$", text):
        yield number, place, text[place : found.start()]
        place, number = found.end(), number + 1


def _is_comment(line, header):
    """Whether a line before the table is a remark; where the columns are named elsewhere, a row may begin with #, too."""
    fits = header and any(len(line.split(mark)) == len(header) for mark in SEPARATORS.values() if mark)
    return line.lstrip(' "').startswith("#") and not fits


def _is_header(line, following, wanted):
    """Whether a line with # holds the names of columns: more of the wanted ones, or as many as the next has fields."""
    names, others = _fields(line), _fields(following)
    if not wanted:
        return len(names) == len(others) > 1
    plain = {name.strip(" #") for name in wanted}
    return len({name.strip(" #") for name in names} & plain) > len(set(others) & plain)


def _fields(line):
    """The fields of a line by the separator that gives most of them."""
    parts = [[nfc(part.strip(' "')) for part in line.strip().split(mark)] for mark in SEPARATORS.values()]
    return max(parts[:-1], key=len) if max(map(len, parts[:-1])) > 1 else parts[-1]


def guess_separator(text, where, wanted=(), named=False, before=0):
    """The separator that gives every one of the first lines the same number of fields, and the most of them.

    Parameters
    ----------
    text : str, the table
    where : str, for messages
    wanted : names that the header must have; they decide between separators
    named : bool, whether the columns' names are given, so that the first line is data
    before : int, lines of the file that are before `text`

    Returns
    -------
    str, one of SEPARATORS
    """
    head = _head(text)
    first = re.split("\r\n|\r|\n", head.lstrip("\r\n"), maxsplit=1)[0]
    word_alone = not named and re.fullmatch(r"[^\s,;|]+", first.strip())
    if word_alone and (nfc(first.strip(' "')) in wanted or not _has_columns(head)):
        return _separator_that_is_nowhere(text)
    one_column, best, best_score, found = True, None, (0, 0, 0), {}
    for name, character in SEPARATORS.items():
        rows = list(records(head, character))[:40]
        rows = rows[:-1] if len(head) < len(text) and len(rows) > 2 else rows  # the last row may be a part of one
        found[name] = rows
        most = max(len(row) for _, row in rows)
        one_column &= most == 1
        hits = 0 if named else len(set(wanted) & {nfc(field.strip()) for field in rows[0][1]})
        # White space also splits every sentence: it is the last resort, when it fits all lines.
        score = (hits, _even(rows), most if name != "whitespace" else min(most, 2) - 0.5)
        if most > 1 and score[0:2] > (0, False) and score > best_score:
            best, best_score = name, score
    if best is None:
        if one_column or set(wanted) & {first.strip()}:
            return "comma"  # a table with one column
        if '"' in head:  # a quote mark that nothing ends makes one row of several
            with contextlib.suppress(UserError):
                return guess_separator(head.replace('"', "'"), where, wanted, named, before)
        raise _no_separator(found, where, before)
    return best


def begins_later(rows, expected, before):
    """A hint for a table whose first lines are not of it; None if it begins where it should.

    Parameters
    ----------
    rows : list of (line, fields)
    expected : int, fields of the first row
    before : int, lines of the file that are before
    """
    usual, count = Counter(len(row) for _, row in rows).most_common(1)[0]
    if usual == expected or usual < 2 or count < len(rows) / 2:
        return None
    line = next(line for line, row in rows if len(row) == usual) + before
    if line == rows[0][0] + before or (usual == expected + 1 and line == rows[1][0] + before):
        return None
    return f"most lines have {usual} fields; if the table begins at line {line}: skip_lines: {line - 1}"


def _head(text):
    """The first 40 lines that are not blank, and no more than SNIFFED characters."""
    end, lines = 0, 0
    for found in re.finditer("\r\n|\r|\n", text[:SNIFFED]):
        lines += bool(text[end : found.start()].strip())
        end = found.end()
        if lines >= 41:
            return text[:end]
    return text[:SNIFFED]


def _even(rows):
    """Whether all rows have the fields of the first, apart from blank ones at the end."""
    first, full = len(without_blank_end(rows[0][1])), len(rows[0][1])
    return all(len(row) == full or (len(row) >= first >= len(without_blank_end(row))) for _, row in rows)


def _has_columns(head):
    """Whether most lines have the same number of fields, 3 at least, though the first is a word alone."""
    for character in (mark for mark in SEPARATORS.values() if mark):
        rows = [len(row) for _, row in records(head, character)]
        fields, count = Counter(rows).most_common(1)[0]
        if fields > 2 and count > len(rows) / 2:
            return True
    return False


def _no_separator(found, where, before):
    def usual(rows):
        return Counter(len(row) for _, row in rows if len(row) > 1).most_common(1)

    name = max(found, key=lambda one: (usual(found[one]) or [(0, 0)])[0][::-1])
    rows = found[name]
    fields, count = (usual(rows) or [(0, 0)])[0]
    what = "it is unclear what separates the columns: no separator gives all rows the same number of fields"
    hint = "name the separator in the data set's entry; a row may also have a field too many or too few"
    if count >= len(rows) / 2:
        odd = [f"line {line + before} has {len(row)}" for line, row in rows if len(row) != fields]
        what += f" (with {name} most lines have {fields}, but {', '.join(odd[:10])}{', ..' if len(odd) > 10 else ''})"
        hint = begins_later(rows, len(rows[0][1]), before) or "fix those lines; or name the separator"
    return UserError(what, where, "separator: " + " | ".join(SEPARATORS), hint)


def _separator_that_is_nowhere(text):
    """For a table of one column, such as texts: they may hold commas, or else semicolons."""
    marks = ((name, mark) for name, mark in SEPARATORS.items() if mark)
    free = (name for name, mark in marks if all(len(row) < 2 for _, row in records(text, mark)))
    return next(free, "comma")

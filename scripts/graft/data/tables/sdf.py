"""The data fields of an SD file (molecules, as .sdf) as a table: a row per molecule, a column per field.

The atoms themselves are not read: a network reads the molecule from a field that holds its SMILES (CTfile formats, BIOVIA).
"""

import re

import pyarrow as pa

from graft.common.errors import UserError

END = "$$$$"
FIRST_LINES = re.compile(rb"(?:[^\n]*\n){3}[^\n]{30,}V[23]000[ \t]*\r?(?:\n|$)")  # three free lines, then the counts
FIELD = re.compile(r">.*?<([^<>]+)>")
SHOWN = 5


def is_sdf(start):
    """Whether a file that begins with the bytes `start` is an SD file."""
    return bool(FIRST_LINES.match(start))


def read_sdf(text, where, wanted=()):
    """The fields of all molecules.

    Parameters
    ----------
    text : str
    where : str, the file's name, for messages
    wanted : names of fields that the config asks for; a field that differs in capitals alone is taken for it

    Returns
    -------
    table : pyarrow.Table, every column a string; a field that a molecule lacks is null
    notes : list of str, of fields that were renamed

    Raises
    ------
    UserError
        If the file is cut short, or a molecule names a field twice; names the molecules and their lines.
    """
    records, errors = [], []
    for number, (line, lines) in enumerate(_molecules(text), 1):
        try:
            records.append(_fields(lines))
        except UserError as error:
            errors.append(f"molecule {number} (line {line}): {error.what}")
    if errors:
        shown = "; ".join(errors[:SHOWN]) + (f"; and {len(errors) - SHOWN} more" if len(errors) > SHOWN else "")
        raise UserError(f"a damaged SD file: {shown}", where, hint="it may be cut short; write or copy it again")
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = [pa.array([record.get(name) for record in records], pa.large_string()) for name in names]
    spelled = _as_wanted(names, wanted)
    notes = [f"field {name} is read as {new}" for name, new in zip(names, spelled, strict=True) if name != new]
    return pa.table(columns, spelled), notes


def _molecules(text):
    """(number of its first line, lines) of each molecule; the end mark is the last line if it is there."""
    start, lines = 1, []
    for number, line in enumerate(text.split("\n"), 1):
        lines.append(line.rstrip("\r"))
        if lines[-1].rstrip() == END:
            yield start, lines
            start, lines = number + 1, []
    if any(map(str.strip, lines)):
        yield start, lines


def _fields(lines):
    """{field: value} of one molecule. A value ends with an empty line."""
    ends = [number for number, line in enumerate(lines) if line.startswith("M  END")]
    if not ends or lines[-1].rstrip() != END:
        raise UserError(f"it has no line '{END if ends else 'M  END'}'")
    found, name = {}, None
    for line in lines[ends[0] + 1 : -1]:
        if name is not None and line:
            found[name].append(line)
        elif name is not None:
            name = None
        elif line.startswith(">"):
            match = FIELD.match(line)
            if not match or match[1] in found:
                raise UserError(f"it has the field {match[1]} twice" if match else f"'{line}' names no field")
            name = match[1]
            found[name] = []
    return {name: "\n".join(value) for name, value in found.items()}


def _as_wanted(names, wanted):
    """`names`, with the spelling of `wanted` where a name differs in capitals alone, from that one and no other."""
    fitting = {}
    for word in (word for word in wanted if word not in names):
        same = [name for name in names if name.casefold() == word.casefold()]
        fitting |= {same[0]: word} if len(same) == 1 else {}
    return [fitting.get(name, name) for name in names]

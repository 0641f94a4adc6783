"""The page of all messages that graft has for its users, out of the code that makes them."""

import ast
import re
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
CALLS = {"UserError": ("what", "where", "allowed", "hint"), "Problem": ("where", "what", "allowed", "hint")}
STAGES = {  # heading -> files below scripts/; the last one has all others
    "Config": ("graft/config/",),
    "Data": ("graft/data/", "new_config.py"),
    "Fetching": ("graft/fetch/",),
    "Backbones and embeddings": ("graft/networks/", "graft/embedding/", "fit_preprocessing.py"),
    "Few-shot and zero-shot": ("graft/few_shot/", "graft/zero_shot/", "few_shot.py", "zero_shot.py"),
    "Adaptation": ("graft/adaptation/", "adapt.py"),
    "New files and exported models": ("graft/serving/", "predict_files.py"),
    "Training and all else": ("",),
}
HEAD = """# All messages

A word in capitals is filled in, and `..` is longer: a list, or the words of another program. What comes before the message, and how to read it:
[exit codes and messages](../reference/messages.md).
"""


def page():
    """The text of the page."""
    parts, found = [HEAD], {heading: [] for heading in STAGES}
    for file, what, advice in messages():
        found[next(one for one, begins in STAGES.items() if file.startswith(begins))].append((what, advice))
    for heading, rows in found.items():
        lines = [f"| {plain(what)} | {plain(advice)} |" for what, advice in sorted(set(rows), key=in_order)]
        parts.append(
            "\n".join([f"## {heading}\n", "| message | what is allowed, or what to do |", "|---|---|", *lines, ""])
        )
    return "\n".join(parts)


def in_order(row):
    """By the alphabet, whatever marks a message begins with."""
    return re.sub(r"\W", "", row[0]).lower(), row


def messages():
    """(file, what is wrong, what is allowed and what to do) of each message that has words of its own."""
    for path in sorted(SCRIPTS.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)]:
            for call in [one for one in ast.walk(function) if isinstance(one, ast.Call)]:
                names = CALLS.get(getattr(call.func, "id", None), ())
                given = dict(zip(names, call.args, strict=False)) | {one.arg: one.value for one in call.keywords}
                said = {key: words(value, known_at(call, function, tree)) for key, value in given.items()}
                if len(re.findall(r"\b[a-z]{2,}\b", said.get("what", ""))) > 1:
                    advice = [said.get(key, "") for key in ("allowed", "hint")]
                    yield path.relative_to(SCRIPTS).as_posix(), said["what"], "; ".join(filter(any_word, advice))


def known_at(call, function, tree):
    """What names stand for at a call: the last value before it in its function, or that of the module."""
    found = {}
    for where in (tree.body, ast.walk(function)):
        for one in where:
            if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name) and one.lineno < call.lineno:
                found[one.targets[0].id] = one.value
    return found


def words(node, known):
    """The text of an expression; what is only known when it runs is a word in capitals, or `..`."""
    if isinstance(node, ast.Constant):
        return str(node.value or "")
    if isinstance(node, ast.JoinedStr):
        return "".join(words(one, known) for one in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return words(node.left, known) + words(node.right, known)
    if isinstance(node, ast.IfExp):
        return words(node.body, known) or words(node.orelse, known)
    if isinstance(node, ast.Name) and is_text(known.get(node.id)):
        return words(known[node.id], {})
    if isinstance(node, ast.FormattedValue):
        return words(node.value, known)
    return (
        node.id.upper()
        if isinstance(node, ast.Name)
        else node.attr.upper()
        if isinstance(node, ast.Attribute)
        else ".."
    )


def is_text(node):
    return isinstance(node, ast.JoinedStr | ast.IfExp | ast.BinOp) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def any_word(text):
    return re.search(r"[a-z]{2}|\d", text)


def plain(text):
    """Text as it is in a cell of a table in Markdown; what is between backticks stays."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(
        part.replace("|", "\\|") if place % 2 else re.sub(r"([*_<\[\]|`$])", r"\\\1", part)
        for place, part in enumerate(parts)
    )

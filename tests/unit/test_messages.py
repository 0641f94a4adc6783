"""docs/reference/messages.md: the exit codes are the real ones, the messages are those of the code."""

import importlib.util
import os
import re
import signal
import subprocess
import sys

import pytest

from graft import config as graft_config
from graft.common.errors import UserError
from graft.data.images import decode
from graft.serving.trained_model import find_model
from new_config import main as new_config
from running import ROOT, environment_for_make
from tiny_data import image_folder

PAGE = (ROOT / "docs/reference/messages.md").read_text(encoding="utf-8")
spec = importlib.util.spec_from_file_location("all_messages", ROOT / "docs/all_messages.py")
all_messages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(all_messages)
WRONG = """\
datasets: {cells: {source: {path: cells}, modality: vector}}
# no data set has this name:
finetune: {cells: {dataset: cels, backbone: vectors}}
"""
RIGHT = WRONG.replace("cels", "cells")
MAKE = ["make", "-C", str(ROOT), "VENV=venv"]  # in the tests' folder
SNAKEMAKE = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "1", "--configfile"]


def script(name, *arguments):
    return [sys.executable, str(ROOT / f"scripts/{name}.py"), *arguments]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("messages")
    (folder / "wrong.yaml").write_text(WRONG)
    (folder / "right.yaml").write_text(RIGHT)
    image_folder(folder / "cells", per_class=10)
    environment_for_make(folder / "venv")
    return folder


def ended(folder, command):
    command = [word.replace("VENV=venv", f"VENV={folder}/venv") for word in command]
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "VENV")}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, env=inherited)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (SNAKEMAKE + ["wrong.yaml", "-n"], 1),
        (MAKE + ["run", "CONFIG=no-such-file.yaml"], 2),
        (MAKE + ["new", "DATA=no-such-folder"], 2),
        (MAKE + ["predict", "MODEL=no-such-model", "DATA=no-such-folder"], 2),
        (script("new_config", "cells", "cells.yaml"), 0),
        (script("new_config", "no-such-folder"), 1),
        (script("new_config", "--no-such-option"), 2),
        (script("predict_files", "no-such-model", "cells"), 1),
        (script("predict_files", "no-such-model"), 2),
        (script("clear_store", "right.yaml"), 0),
        (script("clear_store", "wrong.yaml"), 1),
        (script("clear_store", "no-such-file.yaml"), 1),
        (script("clear_store", "--no-such-option"), 2),
    ],
    ids=lambda one: " ".join(word for word in one if "/" not in word) if isinstance(one, list) else str(one),
)
def test_what_is_typed_ends_with_the_code_of_the_page_and_without_a_traceback(folder, command, code):
    done = ended(folder, command)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if command[0] == sys.executable and "scripts" in command[1]:
        (row,) = re.findall(rf"^\| `scripts/{command[1].split('/')[-1]}` \|.*$", PAGE, re.MULTILINE)
        assert len(row.strip("|").split("|")) == 4  # a column for each of 0, 1 and 2


def test_the_codes_of_signals_are_those_of_the_page():
    named = re.findall(r"^\| (\d+) \|.*?\((SIG\w+)\)", PAGE, re.MULTILINE)
    assert {name for _, name in named} == {"SIGHUP", "SIGINT", "SIGUSR1", "SIGTERM"}
    assert all(
        int(code) == 128 + signal.Signals[name] for code, name in named
    )  # test_training.py sends them to a training


def test_the_message_on_the_page_is_a_real_one(folder):
    assert f"```\n{ended(folder, script('clear_store', 'wrong.yaml')).stderr}```" in PAGE


def test_the_page_of_all_messages_has_those_that_are_raised_and_what_to_do(folder):
    rows = [(shape(what), advice) for _, what, advice in all_messages.messages()]
    mistakes = [
        (lambda: graft_config.load({"datasets": {"a": {"source": {"path": "a"}}}, "finetune": {"a": {}}}), ""),
        (lambda: graft_config.load({"datasets": {"a": {"source": {"path": "a"}, "bans": [1]}}}), ""),
        (lambda: decode(b""), ""),
        (lambda: new_config("no-such-folder", None), "DATA=... names your data"),
        (lambda: new_config(str(folder / "cells"), folder / "right.yaml"), "CONFIG=another-name.yaml"),
        (lambda: find_model("solar", 0, folder), "make run"),
    ]
    for mistake, words in mistakes:
        with pytest.raises(UserError) as raised:
            mistake()
        for error in getattr(raised.value, "errors", [raised.value]):
            fitting = [advice for pattern, advice in rows if pattern.fullmatch(error.what)]
            assert any(words in advice for advice in fitting), (error.what, fitting)


def shape(what):
    """The regular expression of a message: words in capitals and two dots are anything."""
    return re.compile(".*".join(map(re.escape, re.split(r"\.\.|[A-Z][A-Z_0-9]+", what))), re.DOTALL)


@pytest.mark.parametrize(
    "words",
    ["graft cannot continue", "The config has mistakes", "This is a fault in graft, not in your data or config"],
)
def test_the_words_that_the_page_quotes_are_those_of_the_code(words):
    code = "".join(
        path.read_text(encoding="utf-8")
        for part in ("scripts", "rules")
        for path in (ROOT / part).rglob("*.*")
        if path.suffix in (".py", ".smk")
    )
    assert words in PAGE and words in code

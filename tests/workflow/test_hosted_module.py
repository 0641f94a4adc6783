"""graft as a module from a hosted repository, its library installed as a package, as in a lab's own workflow.

Here jobs run where everything is installed (`graft[jobs]`), on the tiny data of .test; tests/conda runs every stage in conda
environments.
"""

import json
import re
import shutil

import pytest

import bare
import hosting
from first_page import decision_pages, without_links
from running import ROOT, graft


@pytest.fixture(scope="module")
def hosted(tmp_path_factory):
    return hosting.hosted(tmp_path_factory.mktemp("hosted"))


@pytest.fixture(scope="module")
def complete(hosted, tmp_path_factory):
    """The variables of a user whose environment has the library and all that jobs need."""
    library = tmp_path_factory.mktemp("library")
    (library / "graft").symlink_to(hosting.site_packages(hosted.programs.parent) / "graft")
    return {**hosted.variables, "PYTHONPATH": str(library)}


@pytest.fixture(scope="module")
def lab(complete, tmp_path_factory):
    """A finished run of the importing workflow."""
    folder = with_data(tmp_path_factory.mktemp("lab"))
    (folder / "Snakefile").write_text(hosting.LAB)
    graft(folder, None, env=complete, snakefile=folder / "Snakefile", warm=False)  # every job as users' start
    return folder


def with_data(folder):
    """The tiny config and data of .test, put into a folder; one control is enough."""
    shutil.copytree(ROOT / ".test/data", folder / "data")
    text = (ROOT / ".test/config/config.yaml").read_text()
    (folder / "config.yaml").write_text(f"{text}\ncontrols: [majority]\n")
    return folder


def start(folder, hosted, *arguments, **options):
    """Start the workflow of a folder where only Snakemake and the library are installed: no job can run there."""
    options = {"env": hosted.variables, "python": hosted.programs / "python", "warm": False, **options}
    return graft(folder, None, *arguments, snakefile=folder / "Snakefile", **options)


def test_the_library_brings_nothing_beside_snakemake_but_what_its_report_needs(hosted):
    assert hosted.added == {"graft", "pygments"}


def test_an_importing_workflow_finds_the_results_where_it_put_them(lab):
    index = json.loads((lab / "lab/models/handoff/index.json").read_text())
    assert {model["model"] for model in index["models"]} == {"kinds.vectors.linear"}
    assert (lab / "ensemble.txt").exists() and not (lab / "results").exists()


def test_a_second_run_has_nothing_to_do(lab, hosted):
    again = start(lab, hosted)
    assert again.jobs == {} and "Nothing to be done" in again.output


def test_the_report_finds_the_captions_and_begins_with_the_page_to_decide_by(lab, hosted):
    start(lab, hosted, "--report", "report.html")
    page = (lab / "report.html").read_text()
    assert "costs.svg" in page and "learning_curves.svg" in page
    (first,) = decision_pages(lab / "report.html")
    assert first.split() == without_links(lab / "lab/models/index.html").split()
    caption = (ROOT / "rules/captions/costs.rst").read_text().split("\n")[0]
    assert re.sub(r"\W+", " ", caption)[:30] in re.sub(r"\W+", " ", page)


def test_without_a_config_the_embedded_default_is_taken(hosted, tmp_path):
    (tmp_path / "Snakefile").write_text(
        'module graft:\n    snakefile: github("owner/graft", path="Snakefile", tag="v1")\n\nuse rule * from graft\n'
    )
    run = start(tmp_path, hosted, "-n")
    assert {line.split()[-1] for line in run.jobs["fetch_dataset"]} == {"elpv", "elpv-few", "news"}


def test_without_the_library_the_user_is_told_what_to_install(hosted, tmp_path):
    (tmp_path / "Snakefile").write_text(hosting.LAB)
    with_data(tmp_path)
    run = start(tmp_path, hosted, "-n", check=False, python=bare.environment("snakemake") / "python")
    assert run.returncode and "pip install 'graft @ git+https" in run.output
    assert "Traceback" not in run.output

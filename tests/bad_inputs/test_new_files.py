"""What users get wrong when they predict new files: said in words, before anything is written, never a traceback."""

import re
import runpy
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import predict_files
from graft.common.errors import UserError
from graft.common.outputs import read_json, write_json, write_torch
from graft.networks import network
from graft.serving import new_predictions
from graft.serving.trained_model import find_model
from graft.store.feature_files import read_features, write_features
from running import ROOT
from tiny_data import encoded, image_folder, pixels, text_table, tiff, write_lines
from trained_runs import MODEL, finished_run


@pytest.fixture(scope="module")
def grey(tmp_path_factory):
    """A model of 8-bit grey images."""
    folder = tmp_path_factory.mktemp("grey")
    return finished_run(folder, image_folder(folder / "cells", channels=1))


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    return finished_run(folder, folder, **text_table(folder, rows=20))


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors")
    values = np.random.default_rng(0).normal(size=(40, 3))
    frame = pd.DataFrame(values, columns=["nm_1", "nm_2", "nm_3"]).assign(label=["a", "b"] * 20)
    frame.to_csv(folder / "t.csv", index=False)
    return finished_run(folder, folder, table="t.csv", columns={"features": "nm_*"})


def picture(path, seed=0, **shape):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(pixels(seed, **{"channels": 1, **shape})))
    return path


def refusal(model, data, **options):
    """The message with which `data` are refused; no table may be left."""
    out = options.pop("out", data.parent / "out.csv")
    with pytest.raises(UserError) as error:
        predict_files.main(model, data, out, threads=1, **options)
    return str(error.value)


def problems(model, data):
    """{sample: why it has no prediction} of data of which something can be predicted."""
    predict_files.main(model, data, data.parent / "out.csv", threads=1)
    table = pd.read_csv(data.parent / "out.csv").set_index("sample_id")
    return table["problem"].dropna().to_dict()


def command(monkeypatch, *arguments):
    """Exit code of the script as a user starts it, in this process."""
    monkeypatch.setattr(sys, "argv", ["predict_files.py", *map(str, arguments), "--threads", "1"])
    try:
        runpy.run_path(str(ROOT / "scripts/predict_files.py"), run_name="__main__")
    except SystemExit as end:
        return end.code
    return 0


def test_a_misspelt_model_is_told_with_the_names_that_there_are(grey):
    with pytest.raises(UserError, match=rf"no trained model 'cell.tiny.full'(.|\n)*did you mean '{MODEL}'"):
        find_model("cell.tiny.full", 0, grey.parents[3])


def test_a_seed_that_was_not_trained_is_told_with_those_that_were(grey):
    with pytest.raises(UserError, match=r"not trained with seed 7(.|\n)*allowed: 0"):
        find_model(MODEL, 7, grey.parents[3])


@pytest.mark.parametrize("name", [MODEL, ""])
def test_without_any_results_the_first_step_is_named(tmp_path, name):
    with pytest.raises(UserError, match=r"no trained model in this folder(.|\n)*make run"):
        find_model(name, 0, tmp_path / "results")


def test_no_model_is_no_file_called_dot(grey):
    with pytest.raises(UserError, match="no model is named"):
        find_model("", 0, grey.parents[3])


def test_a_path_without_a_model_is_refused(grey, tmp_path):
    with pytest.raises(UserError, match="no such file"):
        find_model(str(tmp_path / "ft_model.pt"), 0, grey.parents[3])
    assert find_model(str(grey.parent), 0, "elsewhere") == grey
    (tmp_path / "ft_model.pt").write_bytes(b"no model")
    assert "cannot be read as a graft model" in refusal(tmp_path / "ft_model.pt", picture(tmp_path / "a.png"))


def test_data_that_are_not_there_are_refused(grey, tmp_path):
    assert "no such file or folder" in refusal(grey, tmp_path / "nowhere")
    with pytest.raises(UserError, match="no data are named"):
        predict_files.main(grey, "", tmp_path / "out.csv")


def test_an_empty_folder_is_refused(grey, tmp_path):
    (tmp_path / "new/empty").mkdir(parents=True)
    assert "no image file in this folder (it is empty)" in refusal(grey, tmp_path / "new")


def test_texts_for_an_image_model_are_refused(grey, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new/a.txt").write_text("a text")
    write_lines(tmp_path / "new", "text", "a text", "another text")
    assert "no image file in this folder (1 .txt, 1 .csv)" in refusal(grey, tmp_path / "new")
    assert "DATA=" in refusal(grey, tmp_path / "new")
    assert "no image file, and the model takes images" in refusal(grey, tmp_path / "new/a.txt")
    assert "it is unclear which column holds the images (text)" in refusal(grey, tmp_path / "new/t.csv")
    said = refusal(grey, tmp_path / "new/t.csv", column="text", out=tmp_path / "out.csv")
    assert "none of 2 samples can be predicted" in said and "a text: no such file" in said
    assert not (tmp_path / "out.csv").exists()


def test_images_for_a_text_model_are_refused_and_not_read_as_text(texts, tmp_path):
    picture(tmp_path / "new/a.png")
    write_lines(tmp_path / "new", "path", "a.png")
    assert "no text file in this folder" in refusal(texts, tmp_path / "new")
    assert "no text file, and the model takes texts" in refusal(texts, tmp_path / "new/a.png")
    assert "an image file, and the model takes texts" in refusal(texts, tmp_path / "new/t.csv")
    np.save(tmp_path / "new/x.npy", np.zeros((2, 3)))
    assert "no text file, and the model takes texts" in refusal(texts, tmp_path / "new/x.npy")


def test_a_column_that_is_not_there_is_told_with_those_that_are(grey, texts, tmp_path):
    write_lines(tmp_path, "Text,nr", "a,1")
    assert "no column 'Texte'" in refusal(texts, tmp_path / "t.csv", column="Texte")
    assert "did you mean 'Text'" in refusal(texts, tmp_path / "t.csv", column="Texte")
    write_lines(tmp_path, "Befund,nr", "a,1")
    assert "COLUMN=NAME names the column of texts" in refusal(texts, tmp_path / "t.csv")


def test_columns_of_numbers_that_are_missing_are_named(vectors, tmp_path):
    write_lines(tmp_path, "nm_1,nm_3,other", "1,2,3")
    assert "1 of the 3 columns that the model learned from are missing: nm_2" in refusal(vectors, tmp_path / "t.csv")
    assert "no column fits features 'wave_*'" in refusal(vectors, tmp_path / "t.csv", column="wave_*")
    assert "2 features, and the model learned from 3" in refusal(vectors, tmp_path / "t.csv", column="nm_*")


def test_words_among_numbers_are_a_row_without_prediction(vectors, tmp_path):
    write_lines(tmp_path, "nm_1,nm_2,nm_3", "1,2,3", "1,high,3", "4,,6")
    found = problems(vectors, tmp_path / "t.csv")
    assert list(found) == ["t.csv#1", "t.csv#2"] and "feature 2 is missing" in found["t.csv#1"]


def test_a_table_without_rows_is_refused(texts, tmp_path):
    write_lines(tmp_path, "text,label")
    assert "no rows of data" in refusal(texts, tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(b"")
    assert "the table is empty" in refusal(texts, tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, 2)), "2 features, and the model learned from 3"),
        (np.zeros((3, 2, 2)), "has the shape"),
        (np.array(["a"]), "not a readable|<U1"),
        (np.array([{"a": 1}, 2], dtype=object), "not a readable .npy file"),
    ],
)
def test_arrays_of_another_kind_are_refused(vectors, tmp_path, array, said):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    assert re.search(said, refusal(vectors, tmp_path / "x.npy"))


def test_several_arrays_need_a_name(vectors, tmp_path):
    np.savez(tmp_path / "x.npz", first=np.zeros((2, 3)), second=np.zeros((2, 3)))
    assert "COLUMN=NAME names it" in refusal(vectors, tmp_path / "x.npz")
    assert "no array 'frist'" in refusal(vectors, tmp_path / "x.npz", column="frist")
    predict_files.main(vectors, tmp_path / "x.npz", tmp_path / "out.csv", column="first", threads=1)


def test_another_depth_and_colour_are_refused_for_that_file_alone(grey, tmp_path):
    picture(tmp_path / "new/good.png")
    picture(tmp_path / "new/deep.png", dtype=np.uint16)
    picture(tmp_path / "new/colour.png", channels=3)
    np.save(tmp_path / "new/float.npy", pixels(0, channels=1, dtype=np.float32))
    assert problems(grey, tmp_path / "new") == {
        "deep.png": "16-bit pixels, and the model learned from 8-bit ones",
        "colour.png": "a colour image, and the model learned from grey ones",
        "float.npy": "float pixels, and the model learned from 8-bit ones",
    }


def test_what_is_said_of_new_files_names_no_setting_of_a_data_set(grey, tmp_path):
    """They have no entry in a config: `bands`, `frames` and `source` cannot be set."""
    picture(tmp_path / "new/good.png")
    picture(tmp_path / "out.png")
    (tmp_path / "new/bands.tif").write_bytes(tiff(pixels(0, channels=6), photometric="minisblack"))
    (tmp_path / "new/pages.tif").write_bytes(tiff(np.stack([pixels(i, channels=1) for i in range(5)])))
    write_lines(tmp_path / "new", "path", "good.png", "bands.tif", "pages.tif", "../out.png")
    for data in (tmp_path / "new", tmp_path / "new/t.csv"):
        found = problems(grey, data)
        assert {"bands.tif", "pages.tif"} <= set(found)
        for why in found.values():
            assert not re.search("`|source", why) and re.search("one image each, grey or RGB|beside the table", why)


def test_a_file_that_goes_away_while_it_is_predicted_takes_no_other_file_with_it(grey, tmp_path, monkeypatch):
    for i in range(4):
        picture(tmp_path / f"new/{i}.png", 90 + i)
    check = new_predictions.check_new

    def check_and_lose_one(*args):
        rows = check(*args)
        (tmp_path / "new/1.png").unlink()
        return rows

    monkeypatch.setattr(new_predictions, "check_new", check_and_lose_one)
    found = problems(grey, tmp_path / "new")
    assert list(found) == ["1.png"] and "no such file" in found["1.png"]


def test_a_pixel_far_beyond_all_that_the_model_saw_is_white_and_overflows_nothing(tmp_path):
    for i in range(12):
        path = tmp_path / "cells" / "ab"[i % 2] / f"{i}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, pixels(i, channels=1, dtype=np.float32))
    model = finished_run(tmp_path, tmp_path / "cells", modality="image")
    array = pixels(90, channels=1, dtype=np.float32)
    (tmp_path / "new").mkdir()
    for name, value in (("hot", 1e38), ("white", 1.0)):
        array[3, 4] = value
        np.save(tmp_path / f"new/{name}.npy", array)
    assert problems(model, tmp_path / "new") == {}
    table = pd.read_csv(tmp_path / "out.csv").set_index("sample_id")
    assert np.allclose(*(table.loc[name, ["logit_a", "logit_b"]].astype(float) for name in ("hot.npy", "white.npy")))


def test_a_table_is_overwritten_and_nothing_else(grey, tmp_path):
    data, out = picture(tmp_path / "new/a.png"), tmp_path / "out.csv"
    for _ in range(2):
        predict_files.main(grey, data, out, threads=1)
    for name, content in (("notes.csv", b"sample_id,label\n"), ("other.parquet", b"PAR1"), ("blob.csv", b"\xff\xfe\0")):
        (tmp_path / name).write_bytes(content)
        assert "is not overwritten" in refusal(grey, data, out=tmp_path / name)
        assert (tmp_path / name).read_bytes() == content
    (tmp_path / "folder.csv").mkdir()
    assert "is not overwritten" in refusal(grey, data, out=tmp_path / "folder.csv")
    assert "a table is written as CSV or Parquet" in refusal(grey, data, out=tmp_path / "out.xlsx")
    assert "cannot be written" in refusal(grey, data, out=data / "out.csv")


def test_the_workflows_own_table_is_not_overwritten(grey, tmp_path):
    own = grey.with_name("predictions.parquet")
    pd.DataFrame({"sample_id": ["a"], "predicted": ["cat"], "prob_cat": [1.0]}).to_parquet(own)
    assert "is not overwritten" in refusal(grey, picture(tmp_path / "a.png"), out=own)


def test_a_tokenizer_that_is_missing_or_another_one_is_refused(texts, tmp_path):
    (tmp_path / "a.txt").write_text("text")
    assert "needs its backbone's tokenizer" in refusal(texts, tmp_path / "a.txt", resources=tmp_path)
    other = read_json(texts.parents[4] / "resources/backbones/tiny/backbone.json")
    other["preprocessing"]["tokenizer"] = "BertTokenizer 2"
    write_json(tmp_path / "backbones/tiny/backbone.json", other)
    assert "another tokenizer than the one" in refusal(texts, tmp_path / "a.txt", resources=tmp_path)


def test_a_model_that_does_not_say_what_its_images_were_is_refused_alone(grey, tmp_path):
    content = network.load(grey)
    del content["image"]
    write_torch(tmp_path / "old.pt", content)
    assert "does not say what numbers its images had" in refusal(tmp_path / "old.pt", picture(tmp_path / "a.png"))


def test_embeddings_of_another_run_give_no_distances(grey, tmp_path):
    path = grey.parents[3] / f"features/cells/{MODEL}.seed0/labelled.parquet"
    before = path.read_bytes()
    ids, embeddings = read_features(path)
    try:
        write_features(path, pd.DataFrame({"sample_id": ids, "content_sha256": "0"}), embeddings[:, :5])
        told = predict_files.main(grey, picture(tmp_path / "new/a.png"), tmp_path / "out.csv", threads=1)
    finally:
        path.write_bytes(before)
    assert "distance and unusual are empty" in told and "not the embeddings" in told
    assert pd.read_csv(tmp_path / "out.csv")["distance"].isna().all()


def test_the_exit_code_is_zero_unless_nothing_could_be_read(grey, tmp_path, monkeypatch, capsys):
    picture(tmp_path / "new/a.png")
    (tmp_path / "new/bad.png").write_bytes(b"no image")
    arguments = (MODEL, tmp_path / "new", "--results", grey.parents[3], "--out", tmp_path / "out.csv")
    assert command(monkeypatch, *arguments) == 0
    assert "not predicted: 1" in capsys.readouterr().out
    (tmp_path / "new/a.png").write_bytes(b"")
    code = command(monkeypatch, *arguments)
    assert "none of 2 samples can be predicted" in code and "Traceback" not in code
    assert "bad.png: not an image" in code and "a.png: the file is empty" in code


def test_a_wrong_name_is_told_before_torch_is_loaded(grey):
    script, results = ROOT / "scripts/predict_files.py", grey.parents[3]
    command = [sys.executable, "-X", "importtime", script, "cell.tiny.full", results, "--results", results]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "did you mean" in done.stderr and "Traceback" not in done.stderr
    assert re.search(r"\| +graft.common.errors$", done.stderr, re.M) and not re.search(r"\| +torch$", done.stderr, re.M)

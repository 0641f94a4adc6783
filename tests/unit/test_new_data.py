"""New files for a trained model: read as its training data were, predicted as they are, and put in one table."""

import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import predict_files
from graft.common.errors import UserError
from graft.common.outputs import read_json
from graft.data.images import DECODER
from graft.data.samples import read_manifest
from graft.evaluation.tables import read_predictions
from graft.networks import network
from graft.serving.trained_model import card_of
from graft.store.feature_files import features_of
from graft.targets.predictions import predict
from tiny_data import encoded, image_folder, pixels, text_table, write_lines
from trained_runs import MODEL, finished_run

WAVES = [f"wave_{i}" for i in range(6)]


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """A model of colour images, and the folder of its data."""
    folder = tmp_path_factory.mktemp("cells")
    root = image_folder(folder / "cells", per_class=85, height=40, width=40)  # 99 tell what 1 % is
    return finished_run(folder, root), root


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """A model of 16-bit grey images."""
    folder = tmp_path_factory.mktemp("deep")
    return finished_run(folder, image_folder(folder / "cells", per_class=10, channels=1, dtype=np.uint16))


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    return finished_run(folder, folder, **text_table(folder, rows=40))


def spectra(seed, rows):
    values = np.random.default_rng(seed).normal(size=(rows, len(WAVES)))
    return pd.DataFrame(values * 10.0 ** np.arange(6), columns=WAVES)


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    """A regressor of six columns of numbers in a table with an id."""
    folder = tmp_path_factory.mktemp("waves")
    spectra(0, 300).assign(key=[f"s{i}" for i in range(300)], protein=np.arange(300.0)).to_csv(folder / "t.csv")
    return finished_run(
        folder,
        folder,
        table="t.csv",
        columns={"id": "key", "features": "wave_*"},
        targets={"protein": {"kind": "regression"}},
    )


@pytest.fixture
def predicted(tmp_path):
    """A function (model, data, **options) -> (table, what the user is told)."""

    def run(model, data, **options):
        out = tmp_path / "out.parquet"
        told = predict_files.main(model, data, out, threads=1, precision="fp32", **options)
        return pd.read_parquet(out), told

    return run


def new_images(folder, count=6, **shape):
    for i in range(count):
        path = folder / ("deep/er" if i % 2 else "") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(pixels(5000 + i, **shape)))
    return folder


def test_known_files_get_the_predictions_that_the_workflow_gave_them(cells, predicted):
    model, root = cells
    table, _ = predicted(model, root)
    manifest, content = read_manifest(model.parents[3] / "data/cells/samples.parquet"), network.load(model)
    rows = manifest.part("labelled")
    known = features_of(rows, model.parents[3] / f"features/cells/{MODEL}.seed0/labelled.parquet")
    wanted = predict(content, "label", manifest, rows, known).set_index("sample_id").loc[table["sample_id"]]
    for column in ("prob_cat", "logit_dog", "confidence", "entropy", "margin"):
        assert np.allclose(table[column], wanted[column], rtol=1e-3, atol=1e-4), column
    assert (table["predicted"].to_numpy() == wanted["predicted"].to_numpy()).all()


def test_the_table_has_the_columns_of_the_prediction_table_and_three_more(cells, predicted, tmp_path):
    model, _ = cells
    table, told = predicted(model, new_images(tmp_path / "new"))
    manifest, content = read_manifest(model.parents[3] / "data/cells/samples.parquet"), network.load(model)
    usual = predict(content, "label", manifest, manifest.part("labelled")[:1], np.zeros((1, 64), np.float32))
    assert list(table.columns) == [*usual.columns, "distance", "unusual", "problem"]
    assert sorted(table["sample_id"]) == ["0.png", "2.png", "4.png", "deep/er/1.png", "deep/er/3.png", "deep/er/5.png"]
    assert (table["split"] == "new").all() and (table["fold"] == -1).all() and table["label"].isna().all()
    assert table["unusual"].dtype == bool and table["problem"].isna().all()
    assert read_predictions(tmp_path / "out.parquet")[1]["classes"] == ["cat", "dog"]
    assert "6 samples" in told and "out.parquet" in told


def test_litter_and_other_files_are_skipped(cells, predicted, tmp_path):
    new = new_images(tmp_path / "new")
    for name in ("Thumbs.db", ".DS_Store", "._0.png", "notes.txt", "predictions.csv"):
        (new / name).write_bytes(b"x")
    assert len(predicted(cells[0], new)[0]) == 6


def test_a_broken_file_stops_no_other_and_stands_in_the_table_with_the_reason(cells, predicted, tmp_path):
    new = new_images(tmp_path / "new")
    good = predicted(cells[0], new)[0].set_index("sample_id")
    (new / "1bad.png").write_bytes((new / "0.png").read_bytes()[:100])
    (new / "empty.png").write_bytes(b"")
    table, told = predicted(cells[0], new)
    table = table.set_index("sample_id")
    bad = table.loc[["1bad.png", "empty.png"]]
    assert bad["problem"].str.contains("truncated|empty").all()
    assert bad[["predicted", "confidence", "prob_cat", "distance", "unusual"]].isna().all(axis=None)
    assert np.allclose(table.loc[good.index, "logit_cat"], good["logit_cat"], atol=1e-4)
    assert "not predicted: 2" in told and "empty.png: the file is empty" in told


def test_a_file_that_goes_away_while_it_is_worked_on_takes_no_other_with_it(cells, predicted, tmp_path, monkeypatch):
    from graft.serving import new_predictions

    def check_and_lose(new, card, threads):
        rows = check(new, card, threads)
        (new.root / "2.png").unlink()
        return rows

    check = new_predictions.check_new
    monkeypatch.setattr(new_predictions, "check_new", check_and_lose)
    table, _ = predicted(cells[0], new_images(tmp_path / "new"))
    assert table.set_index("sample_id")["problem"].to_dict().pop("2.png") == "no such file"
    assert table["predicted"].notna().sum() == 5


def test_pictures_unlike_the_training_data_are_unusual(cells, predicted, tmp_path):
    """Random pixels, as in training, are not; one smooth colour is."""
    new = new_images(tmp_path / "new", height=40, width=40)
    for i in range(4):
        Image.new("RGB", (40, 40), (60 * i, 10, 200)).save(new / f"smooth{i}.png")
    table, told = predicted(cells[0], new)
    smooth = table["sample_id"].str.startswith("smooth")
    assert table.loc[smooth, "unusual"].all() and table.loc[~smooth, "unusual"].sum() <= 1
    assert table.loc[smooth, "distance"].min() > table.loc[~smooth, "distance"].max()


def test_where_too_few_samples_can_tell_it_is_unknown_what_is_unusual(cells, predicted, tmp_path, monkeypatch):
    monkeypatch.setattr("graft.serving.novelty.limit_of", lambda distances: np.inf)  # as of fewer than 99
    table, told = predicted(cells[0], new_images(tmp_path / "new"))
    assert table["distance"].notna().all() and table["unusual"].isna().all()
    assert "unusual: unknown" in told


def test_one_image_is_enough(cells, predicted, tmp_path):
    table, _ = predicted(cells[0], new_images(tmp_path / "new") / "0.png")
    assert table["sample_id"].tolist() == ["0.png"]


def test_a_table_of_file_names_may_call_the_column_as_it_likes(cells, predicted, tmp_path):
    new = new_images(tmp_path / "new")
    write_lines(new, "where;site", "0.png;x", "deep/er/1.png;y", "gone.png;z", ";z", "../out.png;z", name="list.csv")
    table, _ = predicted(cells[0], new / "list.csv", column="where")
    assert table["sample_id"].tolist() == ["0.png", "deep/er/1.png", "gone.png", "list.csv#3", "../out.png"]
    assert table["predicted"].notna().tolist() == [True, True, False, False, False]
    assert table["problem"][2:].str.contains("no such file|no file is named|leads out").all()


def test_images_in_an_array_are_samples_each(cells, predicted, tmp_path):
    stack = np.stack([pixels(i, 40, 40) for i in range(3)])
    np.save(tmp_path / "stack.npy", stack)
    np.savez(tmp_path / "stack.npz", pictures=stack, site=np.arange(3))
    np.save(tmp_path / "one.npy", stack[0])
    tables = [predicted(cells[0], tmp_path / name)[0] for name in ("stack.npy", "stack.npz", "one.npy")]
    assert [len(table) for table in tables] == [3, 3, 1]
    assert tables[0]["sample_id"].tolist() == ["stack.npy#0", "stack.npy#1", "stack.npy#2"]
    assert tables[0]["prob_cat"].tolist() == tables[1]["prob_cat"].tolist()
    assert tables[2]["prob_cat"][0] == pytest.approx(tables[0]["prob_cat"][0], rel=1e-4)


def test_one_image_with_the_channels_first_is_no_stack_of_grey_ones(cells, predicted, tmp_path):
    picture = pixels(3, 40, 44)
    np.save(tmp_path / "last.npy", picture)
    np.save(tmp_path / "first.npy", np.moveaxis(picture, -1, 0))
    np.save(tmp_path / "stack.npy", np.moveaxis(picture, -1, 0)[None])
    np.save(tmp_path / "greys.npy", np.stack([picture[:, :, 0]] * 5))
    tables = [predicted(cells[0], tmp_path / f"{name}.npy")[0] for name in ("last", "first", "stack", "greys")]
    assert [len(table) for table in tables] == [1, 1, 1, 5]
    for table in tables[1:3]:
        assert table["logit_cat"][0] == pytest.approx(tables[0]["logit_cat"][0], abs=1e-5)


def test_one_image_in_an_archive_is_refused_and_the_hint_reads_it(cells, predicted, tmp_path):
    array = pixels(3, 40, 44)
    np.savez(tmp_path / "a.npz", pictures=array)
    with pytest.raises(UserError, match=r"one image(.|\n)*np.save") as error:
        predicted(cells[0], tmp_path / "a.npz")
    command = error.value.hint.split(": ")[1].replace("one.npy", str(tmp_path / "one.npy"))
    exec(command, {"np": np, "array": array})
    assert len(predicted(cells[0], tmp_path / "one.npy")[0]) == 1


def test_links_of_the_folder_that_the_user_names_may_lead_out_of_it(cells, predicted, tmp_path):
    real = new_images(tmp_path / "real", 3)
    (tmp_path / "links").mkdir()
    (tmp_path / "links/0.png").symlink_to(real / "0.png")
    (tmp_path / "links/deep").symlink_to(real / "deep")
    write_lines(tmp_path, "path", "links/0.png", "links/deep/er/1.png", name="list.csv")
    for data in (tmp_path / "links", tmp_path / "list.csv"):
        table, _ = predicted(cells[0], data)
        assert len(table) == 2 and table["problem"].isna().all()


def test_two_names_that_look_the_same_are_not_one_file(cells, predicted, tmp_path):
    new = new_images(tmp_path / "new", 1)
    for i, name in enumerate(("caf\u00e9.png", "cafe\u0301.png")):
        (new / name).write_bytes(encoded(pixels(60 + i)))
    table, _ = predicted(cells[0], new)
    assert table["problem"].str.contains("looks the same").sum() == 2 and table["predicted"].notna().sum() == 1


def test_nothing_is_written_but_the_table(cells, predicted, tmp_path):
    model, root = cells
    new = new_images(tmp_path / "new")
    before = {path: path.stat().st_mtime_ns for path in (*model.parents[4].rglob("*"), *new.rglob("*"))}
    predicted(model, new)
    assert {path: path.stat().st_mtime_ns for path in (*model.parents[4].rglob("*"), *new.rglob("*"))} == before
    assert {path.name for path in tmp_path.iterdir()} == {"new", "out.parquet"}


def test_16_bit_images_keep_the_range_of_the_training_data(deep, predicted, tmp_path):
    """Halved numbers are another picture; with the range of the new files they would be the same."""
    for name, divisor in (("whole", 1), ("half", 2)):
        (tmp_path / name).mkdir()
        for i in range(3):
            array = pixels(7000 + i, channels=1, dtype=np.uint16) // divisor
            (tmp_path / name / f"{i}.png").write_bytes(encoded(array))
    whole, half = (predicted(deep, tmp_path / name)[0] for name in ("whole", "half"))
    assert not np.allclose(whole["logit_cat"], half["logit_cat"], atol=1e-3)


def test_a_model_alone_knows_the_range_of_its_images_and_says_that_there_are_no_distances(deep, predicted, tmp_path):
    new = new_images(tmp_path / "new", channels=1, dtype=np.uint16)
    alone = shutil.copy(deep, tmp_path / "taken.pt")
    table, told = predicted(alone, new)
    beside, _ = predicted(deep, new)
    assert np.allclose(table["logit_cat"], beside["logit_cat"]) and beside["distance"].notna().all()
    assert table["distance"].isna().all() and table["unusual"].isna().all()
    assert "distance and unusual are empty" in told


def test_texts_come_from_a_folder_a_file_or_a_column(texts, predicted, tmp_path):
    words = [f"text number {i}" for i in range(4)]
    (tmp_path / "new").mkdir()
    for i, text in enumerate(words):
        (tmp_path / f"new/{i}.txt").write_text(text)
    write_lines(tmp_path, "key,text", *(f"k{i},{text}" for i, text in enumerate(words)), name="a.csv")
    write_lines(tmp_path, "Befund;id", *(f"{text};k{i}" for i, text in enumerate(words)), name="b.csv")
    write_lines(tmp_path, "file", *(f"new/{i}.txt" for i in range(4)), name="c.csv")
    found = [
        predicted(texts, tmp_path / "new")[0],
        predicted(texts, tmp_path / "a.csv")[0],
        predicted(texts, tmp_path / "b.csv", column="Befund")[0],
        predicted(texts, tmp_path / "c.csv", column="file")[0],
    ]
    for table in found[1:]:
        assert np.allclose(table["logit_a"], found[0]["logit_a"], atol=1e-5)
    assert found[1]["sample_id"].tolist() == [f"a.csv#{i}" for i in range(4)]  # `key` is no id of the training data
    assert found[2]["sample_id"].tolist() == [f"k{i}" for i in range(4)]  # and `id` is
    assert len(predicted(texts, tmp_path / "new/3.txt")[0]) == 1


def test_ids_that_do_not_tell_rows_apart_are_not_taken(texts, predicted, tmp_path):
    write_lines(tmp_path, "id,text", "x,text 1", "x,text 2", name="a.csv")
    assert predicted(texts, tmp_path / "a.csv")[0]["sample_id"].tolist() == ["a.csv#0", "a.csv#1"]


def test_columns_of_numbers_are_found_by_name_in_any_order(waves, predicted, tmp_path):
    frame = spectra(9, 5).assign(wave_99=1.0)  # fits the pattern of the training data, but was not there
    frame.to_parquet(tmp_path / "a.parquet")
    frame[[*WAVES[::-1], "wave_99"]].to_csv(tmp_path / "b.csv", index=False)
    np.save(tmp_path / "c.npy", frame[WAVES].to_numpy())
    pq.write_table(pa.table({"embedding": frame[WAVES].to_numpy().tolist()}), tmp_path / "d.parquet")
    renamed = frame.rename(columns=lambda name: name.replace("wave", "nm"))
    renamed.to_csv(tmp_path / "e.csv", index=False)
    found = [predicted(waves, tmp_path / name)[0] for name in ("a.parquet", "b.csv", "c.npy")]
    found += [predicted(waves, tmp_path / "d.parquet", column="embedding")[0]]
    found += [predicted(waves, tmp_path / "e.csv", column=",".join(name.replace("wave", "nm") for name in WAVES))[0]]
    for table in found[1:]:
        assert np.allclose(table["predicted"].astype(float), found[0]["predicted"].astype(float), rtol=1e-4)
    assert found[0]["value"].isna().all() and (found[0]["std"] == 0.5).all()


def test_a_measurement_that_doubled_is_unusual(waves, predicted, tmp_path):
    frame = pd.concat([spectra(9, 20), spectra(10, 5) + 8 * 10.0 ** np.arange(6)])
    frame.to_csv(tmp_path / "a.csv", index=False)
    table, _ = predicted(waves, tmp_path / "a.csv")
    assert table["unusual"][20:].all() and table["unusual"][:20].sum() <= 1


def test_vectors_of_another_width_are_left_out_even_if_they_are_the_most(waves, predicted, tmp_path):
    values = [row.tolist() for row in spectra(9, 5).to_numpy()] + [[1.0, 2.0]] * 6 + [[np.nan] * 6]
    pq.write_table(pa.table({"embedding": values}), tmp_path / "d.parquet")
    table, _ = predicted(waves, tmp_path / "d.parquet", column="embedding")
    assert table["predicted"].notna().tolist() == [True] * 5 + [False] * 7
    assert (table["problem"][5:11] == "2 features, and the model learned from 6").all()


def test_the_data_card_remembers_the_columns(waves, texts):
    cards = [read_json(model.parents[3] / "data/cells/data_card.json") for model in (waves, texts)]
    assert cards[0]["columns"] == {"features": WAVES, "id": "key"}
    assert cards[1]["columns"] == {"text": "text", "id": "id"}


def test_blocks_do_not_change_the_table(cells, predicted, tmp_path, monkeypatch):
    new = new_images(tmp_path / "new")
    whole, _ = predicted(cells[0], new)
    monkeypatch.setattr("graft.serving.new_predictions.BLOCK", 4)
    pd.testing.assert_frame_equal(predicted(cells[0], new)[0], whole, rtol=1e-3)


def test_the_csv_file_reads_back_to_the_same_table(cells, tmp_path):
    new = new_images(tmp_path / "new")
    (new / "bad.png").write_bytes(b"")
    for name in ("a.csv", "a.parquet"):
        predict_files.main(cells[0], new, tmp_path / name, threads=1)
    plain, packed = pd.read_csv(tmp_path / "a.csv"), pd.read_parquet(tmp_path / "a.parquet")
    assert list(plain.columns) == list(packed.columns)
    assert np.array_equal(plain["logit_cat"].dropna(), packed["logit_cat"].dropna())
    assert plain["unusual"].isna().sum() == 1


def test_new_samples_do_not_change_how_others_are_seen(cells, predicted, tmp_path):
    """One embedding per sample: no statistic over the new files enters."""
    few, many = new_images(tmp_path / "few", 2), new_images(tmp_path / "many", 6)
    some, all_of_them = (predicted(cells[0], folder)[0].set_index("sample_id") for folder in (few, many))
    columns = ["logit_cat", "logit_dog", "distance"]
    assert np.allclose(some[columns], all_of_them.loc[some.index, columns], atol=1e-3)


def test_the_model_says_how_its_images_were(deep, cells):
    assert network.load(deep)["image"]["dtype"] == "uint16" and network.load(deep)["image"]["range"][1] > 60_000
    plain = {"dtype": "uint8", "channels": 3, "range": [0, 255], "frames": "error", "decoder": DECODER}
    assert network.load(cells[0])["image"] == plain


def test_which_frames_are_taken_is_what_the_card_says_now(deep):
    """`frames` may change without a training."""
    content = network.load(deep)
    assert content["image"]["frames"] == card_of(content, {})["image"]["frames"] == "error"
    now = card_of(content, {"image": {"frames": "first", "dtype": "uint8"}})["image"]
    assert now == content["image"] | {"frames": "first"}


def test_a_table_may_be_one_column_of_texts_with_commas_and_blanks(texts, predicted, tmp_path):
    lines = ["text number 1, or 2", "text number 3", "", "text, number 4"]
    write_lines(tmp_path, "text", *lines, name="a.csv")
    write_lines(tmp_path, "Befund", *lines, name="b.csv")
    table, _ = predicted(texts, tmp_path / "a.csv")
    assert table["predicted"].notna().sum() == 3
    assert predicted(texts, tmp_path / "b.csv", column="Befund")[0]["logit_a"].tolist() == table["logit_a"].tolist()


def test_lines_before_the_header_of_new_tables_are_passed_over(waves, predicted, tmp_path):
    frame = spectra(9, 5)
    frame.to_csv(tmp_path / "a.csv", index=False)
    text = (tmp_path / "a.csv").read_text()
    for number, before in enumerate(["Spectro 9\nDate, 2024\n", "# Spectro 9\n", "sep=,\n"]):
        (tmp_path / f"b{number}.csv").write_text(before + text)
        found, wanted = (predicted(waves, tmp_path / name)[0]["predicted"] for name in (f"b{number}.csv", "a.csv"))
        assert found.notna().all() and found.tolist() == wanted.tolist()


@pytest.mark.parametrize("name", ["a.json", "a.txt", "a.dat", "a"])
def test_new_tables_are_known_by_their_bytes_where_their_names_say_nothing(waves, predicted, tmp_path, name):
    frame = spectra(9, 5)
    if name == "a.json":
        frame.to_json(tmp_path / name, orient="records", double_precision=15)
    else:
        frame.to_csv(tmp_path / name, index=False, sep="\t")
    frame.to_parquet(tmp_path / "a.parquet")
    found, wanted = (predicted(waves, tmp_path / one)[0]["predicted"].astype(float) for one in (name, "a.parquet"))
    assert np.allclose(found, wanted, rtol=1e-5)


def test_a_row_without_an_id_is_called_by_its_place(texts, predicted, tmp_path):
    write_lines(tmp_path, "id,text", "x ,text 1", " ,text 2", name="a.csv")
    assert predicted(texts, tmp_path / "a.csv")[0]["sample_id"].tolist() == ["x", "a.csv#1"]

"""Near copies: texts that quote each other and images saved again are found, others are not, and they stay together."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image, ImageFilter

from graft import config as graft_config
from graft.common.errors import UserError
from graft.data.splitting import near_copies
from tiny_data import prepared, write_lines

WORDS = [f"word{i}" for i in range(3000)]


def message(draw, length=60):
    return " ".join(draw.choice(WORDS, length))


def brute_force(texts, fewest=3, rare=20, quoted=0.2, same=0.5):
    """The definition, pair by pair, on sets of words."""
    sets = []
    for text in texts:
        words = text.lower().split()
        sets.append({tuple(words[i : i + 5]) for i in range(len(words) - 4)})
    counts = {}
    for one in sets:
        for shingle in one:
            counts[shingle] = counts.get(shingle, 0) + 1
    found = []
    for (i, a), (j, b) in itertools.combinations(enumerate(sets), 2):
        shared = {shingle for shingle in a & b if counts[shingle] <= rare}
        shorter = min(len(a), len(b))
        if len(shared) >= max(fewest, quoted * shorter) or (len(a & b) >= max(fewest, same * shorter)):
            found.append((i, j))
    return found


def conversation():
    """Messages: 30 of their own, 12 that quote a part of another, and some that only share a signature with all."""
    draw = np.random.default_rng(0)
    texts = [message(draw) for _ in range(30)]
    for i in range(12):
        quoted = texts[i].split()[10 : 10 + [7, 12, 14, 40][i % 4]]
        texts.append(" ".join([message(draw, 25), *quoted, message(draw, 10)]))
    signature = message(draw, 9)
    return texts + [f"{message(draw, 40)} {signature}" for _ in range(25)]


def test_texts_that_quote_each_other_are_found_as_by_holding_all_against_all():
    texts = conversation()
    found = near_copies.similar_texts(texts)
    assert [tuple(pair) for pair in found] == brute_force(texts)
    assert len(found) == 6  # 7 and 12 words are 3 and 8 shingles, no fifth of the shorter text's 38 and 43
    order = np.random.default_rng(1).permutation(len(texts))
    moved = near_copies.similar_texts([texts[i] for i in order])
    assert {frozenset(order[pair]) for pair in moved} == {frozenset(pair) for pair in found}


def test_texts_that_share_fewer_than_three_shingles_are_not_near_however_short_they_are():
    draw = np.random.default_rng(2)
    words = message(draw, 8).split()
    longer = " ".join([message(draw, 20), *words, message(draw, 20)])
    quoted = [" ".join(words[:count]) for count in (5, 6, 7)]  # 1, 2 and 3 shingles, all of them in the longer text
    assert [len(near_copies.similar_texts([longer, one])) for one in quoted] == [0, 0, 1]
    common = message(draw, 5)  # stands in 30 texts: boilerplate, and half the shingles of each
    assert len(near_copies.similar_texts([f"{word} {common}" for word in WORDS[:30]])) == 0


def test_case_punctuation_and_line_breaks_make_no_other_text_and_short_texts_must_have_the_same_words():
    texts = [
        "Yes, please!",
        "yes please",
        "no thanks",
        "1 2 3 4 5 6 7 8 9",
        "1, 2, 3\n4 5 6 7 8 - nine",
        "???",
        "!!!",
        "",
        "\u7d30\u80de\u306e\u5199\u771f\u3092\u898b\u308b",
        "\u7d30\u80de\u306e\u5199\u771f\u3092\u898b\u305f",
    ]
    assert near_copies.similar_texts(texts).tolist() == [[0, 1], [3, 4], [8, 9]]
    assert near_copies.similar_texts([]).shape == (0, 2)


@pytest.mark.parametrize("copies", [5, 30, 60])
def test_many_versions_of_one_text_are_one_cluster_and_boilerplate_joins_nothing(copies):
    draw = np.random.default_rng(0)
    base, boilerplate = message(draw, 50).split(), message(draw, 20)
    texts = []
    for i in range(copies):
        texts.append(" ".join(word if k != i % 50 else f"changed{i}" for k, word in enumerate(base)))
        texts.append(f"{message(draw, 60)} {boilerplate}" if copies > 20 else message(draw))
    cluster = near_copies.clusters(len(texts), near_copies.similar_texts(texts))
    assert len(set(cluster[::2])) == 1 and len(set(cluster[1::2])) == copies


def test_the_work_does_not_grow_with_the_pairs(monkeypatch):
    draw = np.random.default_rng(0)
    boilerplate = message(draw, 12)
    texts = [f"{message(draw, 30)} {boilerplate}" for _ in range(600)]
    held = []
    real = np.intersect1d
    monkeypatch.setattr(np, "intersect1d", lambda *a, **k: held.append(1) or real(*a, **k))
    assert len(near_copies.similar_texts(texts)) == 0
    assert len(held) < 2 * len(texts)


def picture(seed):
    """A smooth picture of blobs, 90 x 120, as no other seed gives."""
    draw = np.random.default_rng(seed)
    small = Image.fromarray((draw.random((9, 12)) * 255).astype(np.uint8))
    return small.resize((120, 90), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(2))


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def signature(image):
    array = np.asarray(image)
    return near_copies.signature(array[..., None] if array.ndim == 2 else array)


def test_images_saved_anew_look_the_same_and_other_images_do_not():
    originals = [picture(seed) for seed in range(60)]
    noise = np.random.default_rng(0).normal(0, 3, (90, 120))
    changed = {
        "jpeg": [Image.open(io.BytesIO(saved(image, "JPEG", quality=50))) for image in originals],
        "smaller": [image.resize((60, 45)) for image in originals],
        "brighter": [image.point(lambda v: v * 0.8 + 30) for image in originals],
        "deep": [np.asarray(image).astype(np.uint16) * 200 for image in originals],
        "colour": [image.convert("RGB") for image in originals],
        "noisy": [(np.asarray(image) + noise).astype(np.float32) for image in originals],
    }
    own = np.stack([signature(image) for image in originals])
    for name, images in changed.items():
        both = np.concatenate([own, np.stack([signature(image) for image in images])])
        found = near_copies.similar_images(both)
        assert set(map(tuple, found)) == {(i, i + 60) for i in range(60)}, name


def test_the_parts_of_the_hash_find_what_holding_all_images_against_all_finds():
    draw = np.random.default_rng(0)
    base = draw.normal(size=(80, 63))
    near = base + draw.normal(size=(80, 63)) * np.linspace(0, 0.2, 80)[:, None]
    signatures = np.concatenate([base, near])
    signatures /= np.linalg.norm(signatures, axis=1, keepdims=True)
    bits = signatures > np.median(signatures, axis=1, keepdims=True)
    expected = [
        (i, j)
        for i, j in itertools.combinations(range(160), 2)
        if (bits[i] != bits[j]).sum() <= 4 and signatures[i] @ signatures[j] >= 0.99
    ]
    assert [tuple(pair) for pair in near_copies.similar_images(signatures)] == expected and len(expected) > 20


def test_hashes_that_differ_by_a_bit_in_four_places_are_found():
    waves = np.where(np.arange(63) % 2, 1.0, -1.0) + np.linspace(0, 0.5, 63)
    waves[10], waves[[3, 20, 37, 52]] = 0, [-0.02, 0.02, -0.01, 0.01]
    other = waves.copy()
    other[[3, 20, 37, 52]] *= -1
    both = np.stack([waves, other]) / np.linalg.norm(waves)
    bits = both > np.median(both, axis=1, keepdims=True)
    assert np.flatnonzero(bits[0] != bits[1]).tolist() == [3, 20, 37, 52]
    assert near_copies.similar_images(both).tolist() == [[0, 1]]


def test_hashes_that_differ_by_five_bits_are_not_near_however_alike_the_waves_are():
    waves = np.where(np.arange(63) % 2, 1.0, -1.0) + np.linspace(0, 0.5, 63)
    places = [3, 15, 20, 37, 45, 52]
    waves[10], waves[places] = 0, [-0.02, -0.015, 0.02, -0.01, 0.015, 0.01]
    other = waves.copy()
    other[places] *= -1
    both = np.stack([waves, other]) / np.linalg.norm(waves)
    bits = both > np.median(both, axis=1, keepdims=True)
    assert (bits[0] != bits[1]).sum() == 6 and both[0] @ both[1] / (both[1] @ both[1]) > 0.99
    assert len(near_copies.similar_images(both)) == 0


def test_pixels_without_data_hide_no_near_copy():
    """Float images of one scene, of which a corner is NaN, with a little noise."""
    images = [np.asarray(picture(seed)).astype(np.float32) for seed in range(5)]
    for image in images:
        image[:20, :20] = np.nan
    noise = np.random.default_rng(0).normal(0, 1, (90, 120)).astype(np.float32)
    both = np.stack([signature(image) for image in [*images, *(image + noise for image in images)]])
    assert near_copies.similar_images(both).tolist() == [[i, i + 5] for i in range(5)]


def test_a_signature_does_not_depend_on_the_brightness():
    """Counts of a detector on a high base line: what they differ by is a millionth of what they are."""
    image = np.asarray(picture(0)).astype(np.float32)
    for base in (0, 1e4, 1e6):
        assert signature(image + np.float32(base)) @ signature(image) > 0.9999, base


def test_images_of_one_colour_are_near_copies_of_nothing():
    flat = [np.full((20, 20, 1), value, np.float32) for value in (0, 0, 5, 1e6)]
    assert len(near_copies.similar_images(np.stack([near_copies.signature(image) for image in flat]))) == 0


def news(folder, given=False, **more):
    """A table of messages, each of which has a reply that quotes half of it."""
    draw = np.random.default_rng(3)
    lines = []
    for i in range(60):
        own = message(draw, 40)
        reply = f"{message(draw, 20)} {' '.join(own.split()[:20])}"
        parts = (["train", "train"], ["train", "train"], ["train", "test"], ["test", "test"])[i % 4]
        lines += [f"m{i},{own},{'ab'[i % 2]},{parts[0]}", f"r{i},{reply},{'ab'[i % 2]},{parts[1]}"]
    write_lines(folder, "id,text,label,part", *lines)
    columns = {"id": "id", "text": "text"} | ({"split": "part"} if given else {})
    split = {"validation": 0.2, "test": 0.2, "near_duplicates": "together", **more}
    return prepared(folder, table="t.csv", columns=columns, split=split, folds=3)


def test_near_copies_stand_in_one_split_and_fold_and_the_card_names_them(tmp_path):
    made = news(tmp_path)
    by_pair = made.frame.groupby(made.frame["sample_id"].str[1:])[["split", "fold"]].nunique()
    assert (by_pair == 1).all(axis=None) and len(by_pair) == 60
    card = made.card["near_duplicates"]
    assert (card["pairs"], card["across_splits"], card["groups"], card["largest"]) == (60, 0, 60, 2)
    assert card["first"][0]["samples"] == ["m0", "r0"] and len(set(card["first"][0]["splits"])) == 1
    assert any("60 pairs of samples are nearly the same, such as m0 and r0" in note for note in made.card["notes"])
    apart = news(tmp_path, near_duplicates="ignore")
    assert apart.frame.groupby(apart.frame["sample_id"].str[1:])["split"].nunique().max() == 2
    assert apart.card["near_duplicates"] is None


def test_given_splits_stay_and_near_copies_across_them_are_counted(tmp_path):
    made = news(tmp_path, given=True)
    frame = made.frame.set_index("sample_id")
    for i in range(60):
        one, other = frame.loc[f"m{i}"], frame.loc[f"r{i}"]
        if i % 4 == 2:
            assert one["split"] in ("train", "validation") and other["split"] == "test"
        elif i % 4 == 3:
            assert one["split"] == other["split"] == "test"
        else:
            assert one["split"] == other["split"] != "test" and one["fold"] == other["fold"]
    assert made.card["near_duplicates"]["across_splits"] == 15
    assert made.card["near_duplicates"]["first"][0]["splits"][1] == "test"
    assert any("15 pairs of nearly equal samples are in two of the given splits" in n for n in made.card["notes"])


def test_a_given_test_row_that_quotes_two_train_rows_joins_them_not(tmp_path):
    """A test row is drawn nowhere, so nothing has to stay with it; the train rows are in folds of their own."""
    draw, lines = np.random.default_rng(4), []
    for i in range(30):
        one, other = message(draw, 30), message(draw, 30)
        lines += [f"one{i},{one},{'ab'[i % 2]},train", f"other{i},{other},{'ab'[i % 2]},train"]
        lines.append(f"both{i},{one} {other},{'ab'[i % 2]},test")
    write_lines(tmp_path, "id,text,label,part", *lines)
    split = {"validation": 0.2, "near_duplicates": "together"}
    columns = {"id": "id", "text": "text", "split": "part"}
    made = prepared(tmp_path, table="t.csv", columns=columns, split=split, folds=3)
    card, frame = made.card["near_duplicates"], made.frame.set_index("sample_id")
    assert (card["pairs"], card["across_splits"], card["groups"], card["largest"]) == (60, 60, 0, 0)
    places = frame[["split", "fold"]].apply(tuple, axis=1)
    assert sum(places[f"one{i}"] != places[f"other{i}"] for i in range(30)) > 10


def test_copies_that_quote_nothing_are_no_near_copies(tmp_path):
    draw = np.random.default_rng(5)
    texts = [message(draw) for _ in range(30)]
    lines = [f"{name}{i},{text},{'ab'[i % 2]}" for i, text in enumerate(texts) for name in ("first", "second")]
    write_lines(tmp_path, "id,text,label", *lines)
    split = {"validation": 0.2, "test": 0.2, "near_duplicates": "together"}
    made = prepared(tmp_path, table="t.csv", columns={"id": "id", "text": "text"}, split=split)
    assert len(made.frame) == 60
    card = made.card["near_duplicates"]
    assert (card["pairs"], card["groups"], card["largest"]) == (0, 0, 0)


@pytest.mark.parametrize(("text", "said"), [("MKTAYIAKQR{}", True), ("the words of message number {} differ", False)])
def test_texts_that_are_too_short_to_be_compared_are_counted(tmp_path, text, said):
    write_lines(
        tmp_path, "id,text,label", *(f"s{i},{text.format('ACDEFGHIKL'[i % 10] * i)},{'ab'[i % 2]}" for i in range(30))
    )
    entry = {"table": "t.csv", "columns": {"id": "id", "text": "text"}, "split": {"near_duplicates": "together"}}
    notes = prepared(tmp_path, **entry).card["notes"]
    assert any("30 of 30 texts have fewer than 5 words" in note for note in notes) == said


def test_near_copies_of_images_stay_together(tmp_path):
    for i in range(40):
        folder = tmp_path / "d" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i}.png").write_bytes(saved(picture(i)))
        (folder / f"{i}-again.jpg").write_bytes(saved(picture(i), "JPEG", quality=70))
    made = prepared(tmp_path / "d", split={"validation": 0.2, "test": 0.2, "near_duplicates": "together"})
    stem = made.frame["sample_id"].str.extract(r"/(\d+)")[0]
    assert (made.frame.groupby(stem)[["split", "fold"]].nunique() == 1).all(axis=None)
    assert made.card["near_duplicates"]["pairs"] == 40


def test_near_copies_of_vectors_and_in_growth_stable_splits_are_refused(tmp_path):
    lines = [f"{i},{i % 7},{'ab'[i % 2]}" for i in range(40)]
    write_lines(tmp_path, "x1,x2,label", *lines)
    split = {"validation": 0.2, "test": 0.2, "near_duplicates": "together"}
    with pytest.raises(UserError, match="near_duplicates: samples are vectors"):
        prepared(tmp_path, table="t.csv", columns={"features": ["x1", "x2"]}, split=split)
    entry = {"source": {"path": "x"}, "split": {"growth_stable": True, "near_duplicates": "together"}}
    with pytest.raises(UserError, match="a new sample may link two"):
        graft_config.load({"datasets": {"d": entry}})
    for key in entry["split"]:
        graft_config.load({"datasets": {"d": {**entry, "split": {key: entry["split"][key]}}}})

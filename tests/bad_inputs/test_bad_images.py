"""Bad image files: each is refused with its name and a reason, all at once, and never hangs or exhausts the memory."""

import builtins
import io
import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import tifffile
from PIL import EpsImagePlugin, Image

from graft.common.errors import UserError
from graft.data.images import decode
from graft.data.prepare import prepare
from graft.data.readers import opener
from tiny_data import encoded, image_folder, pixels, prepared


def refusal(data, **options):
    with pytest.raises(UserError) as error:
        decode(data, **options)
    return str(error.value)


def test_an_empty_file_is_refused():
    assert "the file is empty" in refusal(b"")


def test_text_with_an_images_name_is_refused():
    assert "not an image of a kind that is read" in refusal(b"<html>not found</html>")


def test_postscript_is_not_started(monkeypatch):
    def started(*args, **kwargs):
        pytest.fail("PostScript was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", started)
    data = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    assert Image.open(io.BytesIO(data)).format == "EPS"
    assert "not an image of a kind that is read" in refusal(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP"])
@pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
def test_a_truncated_image_is_refused(kind, share):
    data = encoded(pixels(0, 64, 64), kind)
    Image.open(io.BytesIO(data)).verify()
    refusal(data[: int(len(data) * share)])


def test_a_truncated_jpeg_is_refused_though_verify_lets_it_pass():
    data = encoded(pixels(0, 64, 64), "JPEG")
    cut = data[: len(data) // 2]
    Image.open(io.BytesIO(cut)).verify()
    assert "truncated" in refusal(cut)


def test_a_png_with_a_wrong_checksum_is_refused():
    data = bytearray(encoded(pixels(0)))
    position = data.index(b"IDAT") + 4
    length = struct.unpack(">I", data[position - 8 : position - 4])[0]
    data[position + length] ^= 1  # the checksum itself: Pillow does not look at it
    Image.open(io.BytesIO(bytes(data))).load()
    assert "checksum of its IDAT chunk" in refusal(bytes(data))


def test_a_png_without_its_end_is_refused():
    assert "truncated" in refusal(encoded(pixels(0))[:-12])


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d))
        for k, d in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    )
    assert "too large to decode safely" in refusal(b"\x89PNG\r\n\x1a\n" + chunks)


def test_a_tiff_bomb_is_refused_before_it_is_decoded():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(np.zeros((4, 4), np.uint16))
    data = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as tiff:
        for name in ("ImageWidth", "ImageLength"):
            tag = tiff.pages[0].tags[name]
            size = 2 if tag.dtype == 3 else 4
            data[tag.valueoffset : tag.valueoffset + size] = (60_000).to_bytes(size, "little")
    tracemalloc.start()
    message = refusal(bytes(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "too large to decode safely" in message
    assert peak < 10_000_000


def test_animations_and_stacks_are_refused_with_the_way_out():
    images = [Image.fromarray(pixels(i)) for i in range(3)]
    for kind in ("GIF", "TIFF", "PNG", "WEBP"):
        file = io.BytesIO()
        images[0].save(file, format=kind, save_all=True, append_images=images[1:], lossless=True)
        message = refusal(file.getvalue())
        assert "3 pages or frames" in message
        assert "frames: first" in message
    for options in ({}, {"imagej": True}, {"truncate": True}):
        file = io.BytesIO()
        tifffile.imwrite(file, np.zeros((3, 8, 8), np.uint16), photometric="minisblack", **options)
        assert "3 pages or frames" in refusal(file.getvalue())


def test_images_without_a_single_number_and_infinite_pixels_are_refused():
    for array, said in (
        (np.full((4, 4), np.nan, np.float32), "no pixel was measured"),
        (np.array([[0.0, np.inf]], np.float32), "infinite"),
        (np.array([[0.0, -1e300]]), "infinite"),  # too large for a float32
    ):
        file = io.BytesIO()
        tifffile.imwrite(file, array)
        assert said in refusal(file.getvalue())


@pytest.mark.parametrize("channels", [2, 4, 5, 13])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_many_channels_are_refused_with_their_number(channels, dtype):
    file = io.BytesIO()
    array = np.zeros((8, 8, channels), dtype)
    tifffile.imwrite(file, array, photometric="minisblack", planarconfig="contig")
    assert f"{channels} channels" in refusal(file.getvalue())


def test_a_numpy_file_of_objects_is_not_unpickled():
    class Trap:
        def __reduce__(self):
            return os.abort, ()

    file = io.BytesIO()
    np.save(file, np.array([[Trap()]], dtype=object), allow_pickle=True)
    refusal(file.getvalue())


def test_all_bad_files_of_a_folder_are_named_at_once(tmp_path):
    root = image_folder(tmp_path / "d")
    (root / "cat" / "empty.png").touch()
    (root / "cat" / "text.JPG").write_text("no image")
    (root / "dog" / "cut.jpg").write_bytes(encoded(pixels(5, 64, 64), "JPEG")[:900])
    with pytest.raises(UserError) as error:
        prepared(root)
    message = str(error.value)
    assert "3 of 15 samples cannot be used" in message
    assert "cat/empty.png: the file is empty" in message
    assert "cat/text.JPG: not an image of a kind that is read" in message
    assert "dog/cut.jpg: " in message
    assert "on_bad: skip" in message


def test_the_first_twenty_bad_files_are_named_and_the_others_counted(tmp_path):
    root = image_folder(tmp_path / "d")
    for i in range(30):
        (root / "cat" / f"bad{i:02}.png").touch()
    with pytest.raises(UserError) as error:
        prepared(root)
    assert str(error.value).count("the file is empty") == 20
    assert "and 10 more" in str(error.value)


def test_skipped_files_are_listed_in_the_data_card(tmp_path):
    root = image_folder(tmp_path / "d")
    (root / "cat" / "empty.png").touch()
    found = prepared(root, on_bad="skip")
    assert [row["path"] for row in found.card["skipped"]] == ["cat/empty.png"]
    assert found.card["skipped"][0]["reason"] == "the file is empty"
    assert "cat/empty.png" not in set(found.frame["path"])


def test_skipping_everything_is_refused(tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="none of 2 samples can be used: a/1.png"):
        prepared(tmp_path, on_bad="skip")


def test_pipes_links_and_loops_neither_hang_nor_lead_out(tmp_path):
    root = image_folder(tmp_path / "d")
    outside = tmp_path / "outside.png"
    outside.write_bytes(encoded(pixels(77)))
    os.mkfifo(root / "cat" / "pipe.png")
    (root / "cat" / "dangling.png").symlink_to("nowhere.png")
    (root / "cat" / "self.png").symlink_to("self.png")
    (root / "cat" / "out.png").symlink_to(outside)
    (root / "cat" / "loop").symlink_to("..", target_is_directory=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "far.png").write_bytes(encoded(pixels(78)))
    (root / "dog" / "far").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    reasons = {row["path"]: row["reason"] for row in prepared(root, on_bad="skip").card["skipped"]}
    assert reasons["cat/pipe.png"] == "not a regular file"
    assert "does not exist" in reasons["cat/dangling.png"]
    assert "cannot be read" in reasons["cat/self.png"]
    assert "leads out" in reasons["cat/out.png"]
    assert "leads out" in reasons["dog/far/far.png"]
    assert len(reasons) == 5


def test_an_unreadable_file_is_named(tmp_path, monkeypatch):
    root = image_folder(tmp_path / "d")
    real = builtins.open

    def locked(file, *args, **kwargs):
        if str(file).endswith("cat/1.png"):
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", locked)
    with pytest.raises(UserError, match="cat/1.png: cannot be read .Permission denied"):
        prepared(root)


def test_an_unreadable_folder_is_named(tmp_path, monkeypatch):
    root = image_folder(tmp_path / "d")
    real = os.scandir

    def locked(folder):
        if str(folder).endswith("/cat"):
            raise PermissionError(13, "Permission denied", str(folder))
        return real(folder)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(UserError, match="cat/: cannot be read .Permission denied"):
        prepared(root)


def test_litter_is_no_class_and_no_sample(tmp_path):
    root = image_folder(tmp_path / "d")
    for folder in ("__MACOSX", ".ipynb_checkpoints", ".hidden"):
        (root / folder).mkdir()
        (root / folder / "1.png").write_bytes(encoded(pixels(99)))
    (root / "cat" / "Thumbs.db").write_bytes(b"x")
    (root / "cat" / "._1.png").write_bytes(b"x")
    (root / "cat" / ".ipynb_checkpoints").mkdir()
    (root / "cat" / ".ipynb_checkpoints" / "1-checkpoint.png").write_bytes(b"x")
    found = prepared(root)
    assert found.targets["label"]["classes"] == ["cat", "dog"]
    assert len(found.frame) == 12
    assert found.card["other_files"] == {}


@pytest.mark.parametrize(
    "folder",
    ["@eaDir", "cat/@eaDir/1.png", "$RECYCLE.BIN", "System Volume Information", "#recycle", "lost+found", "__macosx"],
)
def test_what_systems_and_storage_servers_put_beside_data_is_no_sample(tmp_path, folder):
    root = image_folder(tmp_path / "d")
    (root / folder).mkdir(parents=True)
    (root / folder / "SYNOFILE_THUMB_M.png").write_bytes(encoded(pixels(99)))
    found = prepared(root)
    assert found.targets["label"]["classes"] == ["cat", "dog"]
    assert len(found.frame) == 12


def test_an_empty_class_folder_is_said_and_a_root_without_classes_refused(tmp_path):
    root = image_folder(tmp_path / "d")
    (root / "fish").mkdir()
    assert prepared(root).card["empty_folders"] == ["fish/"]
    flat = tmp_path / "flat"
    flat.mkdir()
    for i in range(4):
        (flat / f"{i}.png").write_bytes(encoded(pixels(i)))
    with pytest.raises(UserError, match="no folder of a class"):
        prepared(flat, reader="folder")
    for split in ("train", "test"):
        (tmp_path / "splits" / split).mkdir(parents=True)
        (tmp_path / "splits" / split / "1.png").write_bytes(encoded(pixels(0)))
    with pytest.raises(UserError, match="no folder of a class"):
        prepared(tmp_path / "splits")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no image file"):
        prepared(tmp_path / "empty", reader="folder", modality="image")


def test_one_folder_only_is_one_class_and_refused(tmp_path):
    image_folder(tmp_path / "d" / "archive")
    with pytest.raises(UserError, match="all 12 labels are 'archive'") as error:
        prepared(tmp_path / "d")
    assert "are deeper" in str(error.value)


@pytest.mark.parametrize("name", ["ü ñ 猫.png", 'it\'s "1".png', " lead.png", "a;b&c$d.png", "x" * 240 + ".png"])
def test_odd_file_names_work(tmp_path, name):
    root = image_folder(tmp_path / "d")
    (root / "cat" / name).write_bytes(encoded(pixels(55)))
    found = prepared(root)
    row = found.frame[found.frame["path"] == f"cat/{name}"].iloc[0]
    assert opener({}, root)(row.path, row.row, row.content_sha256).shape == (12, 16, 3)


def test_file_names_that_are_no_unicode_are_named(tmp_path):
    root = image_folder(tmp_path / "d")
    (root / "cat" / os.fsdecode(b"\xff\xfe.png")).write_bytes(encoded(pixels(56)))
    with pytest.raises(UserError, match="no UTF-8"):
        prepared(root)


def test_the_same_image_in_two_splits_is_refused_and_can_be_dropped_or_allowed(tmp_path):
    root = tmp_path / "d"
    for split, start in (("train", 0), ("test", 100)):
        for number, label in enumerate(("cat", "dog")):
            (root / split / label).mkdir(parents=True)
            for i in range(8):
                (root / split / label / f"{i}.png").write_bytes(encoded(pixels(start + 10 * number + i)))
    copy = (root / "test" / "cat" / "3.png").read_bytes()
    (root / "train" / "cat" / "copy.png").write_bytes(copy)
    with pytest.raises(UserError) as error:
        prepared(root)
    assert "1 contents are in several splits" in str(error.value)
    assert "train/cat/copy.png" in str(error.value)
    assert "test/cat/3.png [test]" in str(error.value)
    dropped = prepared(root, duplicates="drop")
    assert "train/cat/copy.png" not in set(dropped.frame["path"])
    assert "test/cat/3.png" in set(dropped.frame["path"])
    assert dropped.card["duplicates"][0]["dropped"] == ["train/cat/copy.png"]
    assert {"train/cat/copy.png", "test/cat/3.png"} <= set(prepared(root, duplicates="allow").frame["path"])


def test_an_image_with_two_labels_is_refused_and_dropped_wholly(tmp_path):
    root = image_folder(tmp_path / "d", per_class=8)
    (root / "dog" / "also.png").write_bytes((root / "cat" / "2.png").read_bytes())
    with pytest.raises(UserError, match="two labels"):
        prepared(root)
    dropped = prepared(root, duplicates="drop")
    assert not {"cat/2.png", "dog/also.png"} & set(dropped.frame["path"])
    assert dropped.card["duplicates"][0]["two_labels"]


def test_images_of_several_depths_are_refused(tmp_path):
    root = image_folder(tmp_path / "d")
    (root / "cat" / "deep.png").write_bytes(encoded(pixels(60, channels=1, dtype=np.uint16)))
    with pytest.raises(UserError, match="several depths") as error:
        prepared(root)
    assert "1 images of uint16, such as cat/deep.png" in str(error.value)


def test_an_image_deleted_or_changed_during_the_run_is_named(tmp_path):
    root = image_folder(tmp_path / "d")
    row = prepared(root).frame.iloc[0]
    load = opener({}, root)
    load(row.path, row.row, row.content_sha256)
    (root / row.path).write_bytes(encoded(pixels(61)))
    with pytest.raises(UserError, match="changed since prepare_data"):
        load(row.path, row.row, row.content_sha256)
    (root / row.path).unlink()
    with pytest.raises(UserError, match=f"{row.path}: no such file"):
        load(row.path, row.row, row.content_sha256)


def test_a_missing_root_is_named(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        prepare("x", {}, tmp_path / "nowhere")

"""Which pages of a TIFF are images: not masks, not small copies, not those of other files; and which are channels."""

import io
import logging
import re

import numpy as np
import pytest
import tifffile

from graft.common.errors import UserError
from graft.data.images import decode, read
from tiny_data import class_folders, pixels, prepared, tiff

OME = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{own}"><Image ID="Image:0"><Pixels
 ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="16" SizeY="12" SizeC="{c}" SizeZ="1" SizeT="{t}"
 BigEndian="false">{data}</Pixels></Image></OME>"""
PLANE = (
    '<TiffData FirstC="{c}" FirstZ="0" FirstT="{t}" IFD="{ifd}" PlaneCount="1">'
    '<UUID FileName="{name}">urn:uuid:{uid}</UUID></TiffData>'
)


def stack(*counts, dtype=np.uint16):
    shape = (*counts, 12, 16)
    return np.random.default_rng(0).integers(0, 250, shape).astype(dtype)


def part_of_an_ome_set(array, channels, times, plane_of):
    """One file of a set: its XML names every plane of the set, and `plane_of(c, t)` says which file and page holds it."""
    planes = [(c, t, *plane_of(c, t)) for t in range(times) for c in range(channels)]
    data = "".join(PLANE.format(c=c, t=t, ifd=ifd, name=f"f{n}.ome.tif", uid=n) for c, t, n, ifd in planes)
    xml = OME.format(own=0, c=channels, t=times, data=data)
    return tiff(array, photometric="minisblack", metadata=None, description=xml.encode())


def test_a_file_of_an_ome_set_is_what_it_holds_itself(caplog, capfd):
    array = stack()
    picture = read(part_of_an_ome_set(array, 3, 1, lambda c, t: (c, 0)))
    assert (picture.frames, picture.page_channels) == (1, 1)
    assert (picture.pixels.squeeze() == array).all()
    with caplog.at_level(logging.DEBUG):
        decode(part_of_an_ome_set(array, 3, 1, lambda c, t: (c, 0)))
    assert not caplog.records and capfd.readouterr() == ("", "")  # tifffile's word for it: missing data are zeroed


def test_the_channels_in_a_file_of_an_ome_set_are_bands():
    array = stack(3)
    data = part_of_an_ome_set(array, 3, 4, lambda c, t: (t, c))  # a file for each time
    assert (decode(data, bands=[3, 1, 2]) == np.moveaxis(array[[2, 0, 1]], 0, -1)).all()
    assert read(data, frames="first").page_channels == 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize(
    "options", [{"ome": True}, {"imagej": True}, {}, {"truncate": True}, {"imagej": True, "truncate": True}]
)
def test_pages_that_are_channels_are_refused_with_two_ways_that_work(options, count, dtype):
    array = stack(count, dtype=dtype)
    data = tiff(array, photometric="minisblack", metadata={"axes": "CYX"}, **options)
    with pytest.raises(UserError, match=f"{count} pages or frames in one file: the channels of one image") as error:
        decode(data)
    ways = re.findall(r"`bands: \[([\d, ]+)\]`", error.value.hint)
    assert ways and "`frames: first` alone" in error.value.hint
    for way in ways:
        bands = [int(number) for number in way.split(",")]
        picture = decode(data, bands=bands)
        assert picture.dtype == dtype
        assert (picture == np.moveaxis(array[[band - 1 for band in bands]], 0, -1)).all()
    assert (decode(data, frames="first").squeeze() == array[0]).all()
    with pytest.raises(UserError, match=f"{count} bands, but `bands` names band {count + 1}"):
        decode(data, bands=[count + 1])


@pytest.mark.parametrize("options", [{"ome": True}, {"imagej": True}, {"truncate": True}])
def test_channels_of_several_times_or_depths_need_both(options):
    for axes, counts in (("TCYX", (2, 3)), ("ZCYX", (4, 3)), ("TZCYX", (2, 2, 3))):
        array = stack(*counts)
        data = tiff(array, photometric="minisblack", metadata={"axes": axes}, **options)
        images = int(np.prod(counts[:-1]))
        for bands in (None, [1, 2, 3]):
            with pytest.raises(UserError, match=f"{images} images of 3 channels") as error:
                decode(data, bands=bands)
            assert "`bands: [1, 2, 3]`" in error.value.hint and "beside `frames: first`" in error.value.hint
        first = array.reshape(-1, 3, 12, 16)[0]
        assert (decode(data, "first", [3, 2, 1]) == np.moveaxis(first[::-1], 0, -1)).all()
        assert (decode(data, "first").squeeze() == first[0]).all()
        assert read(data, "first").frames == images


@pytest.mark.parametrize("options", [{}, {"imagej": True}, {"ome": True}])
def test_pages_that_are_no_channels_are_no_bands(options):
    data = tiff(stack(3), photometric="minisblack", metadata={"axes": "ZYX"} if options else None, **options)
    with pytest.raises(UserError, match="3 pages or frames") as error:
        decode(data, bands=[1, 2, 3])
    assert error.value.hint == "`frames: first` takes the first of each file"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("first", ["mask", "small", "image"])
def test_masks_and_small_copies_are_no_frames_wherever_they_stand(first, dtype):
    array = (pixels(0) if dtype == np.uint8 else pixels(0).astype(dtype)).reshape(12, 16, 3)
    mask = dict(data=np.ones((12, 16), bool), photometric="minisblack", subfiletype=4)
    small = dict(data=array[::2, ::2].copy(), photometric="rgb", subfiletype=1)
    image = dict(data=array, photometric="rgb")
    pages = {"mask": [mask, small, image], "small": [small, image, mask], "image": [image, mask, small]}[first]
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for page in pages:
            writer.write(**page, metadata=None)
    picture = read(file.getvalue())
    assert (picture.pixels == array).all() and picture.frames == 1
    assert (decode(file.getvalue(), frames="first") == array).all()
    assert (decode(file.getvalue(), bands=[2]) == array[:, :, 1:2]).all()


def test_the_card_says_that_only_the_first_page_is_read_and_how_to_read_the_others(tmp_path):
    files = [tiff(stack(3) + i, photometric="minisblack", metadata={"axes": "CYX"}, ome=True) for i in range(12)]
    class_folders(tmp_path / "c", files)
    with pytest.raises(UserError, match="the channels of one image"):
        prepared(tmp_path / "c")
    notes = " ".join(prepared(tmp_path / "c", frames="first").card["notes"])
    assert "12 of 12 images have their channels as pages" in notes and "`bands: [1, 2, 3]` reads" in notes
    card = prepared(tmp_path / "c", bands=[1, 2, 3]).card
    assert card["image"]["channels"] == 3 and "pages" not in " ".join(card["notes"])
    class_folders(tmp_path / "z", [tiff(stack(4) + i, photometric="minisblack", metadata=None) for i in range(12)])
    notes = " ".join(prepared(tmp_path / "z", frames="first").card["notes"])
    assert "12 of 12 files hold several images (up to 4): only the first of each is read" in notes

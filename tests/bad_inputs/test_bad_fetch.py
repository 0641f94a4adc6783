"""Sources that are missing, refused, damaged or hostile end in one message, and nothing of them is kept."""

import io
import os
import stat
import tarfile
import zipfile

import huggingface_hub
import pytest

from graft.common.errors import UserError
from graft.fetch import archives
from graft.fetch import download as downloads
from graft.fetch.archives import extract
from graft.fetch.backbones import fetch_backbone
from graft.fetch.datasets import fetch_dataset
from loopback import add_refusal, serve


@pytest.fixture
def server():
    with serve() as state:
        yield state


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE", 0.01)


def fetched(tmp_path, **source):
    fetch_dataset("cells", {"source": source}, tmp_path / "out/cells", tmp_path / "lock.json")


def refused(tmp_path, pattern, **source):
    """Fetching ends in a message that matches, and leaves neither data nor a lock behind."""
    with pytest.raises(UserError, match=pattern) as caught:
        fetched(tmp_path, **source)
    assert not (tmp_path / "out/cells").exists()
    assert not (tmp_path / "lock.json").exists()
    return str(caught.value)


def make_zip(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def make_tar(path, name="x", kind=tarfile.REGTYPE, link="", size=0):
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, size
        archive.addfile(info, io.BytesIO(bytes(size)))
    return path


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "C:/evil", "..\\evil", "\\evil"])
def test_a_member_outside_the_folder_is_refused(tmp_path, name):
    (tmp_path / "into").mkdir()
    paths = [make_zip(tmp_path / "x.zip", ("good", "1"), (name, "2")), make_tar(tmp_path / "x.tar.gz", name)]
    for path in paths:
        with pytest.raises(UserError, match="outside the folder"):
            extract(path, tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    (tmp_path / "into").mkdir()
    with pytest.raises(UserError, match="link or a device"):
        extract(make_tar(tmp_path / "x.tar.gz", kind=kind, link="/etc/passwd"), tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


def test_links_in_a_zip_are_refused(tmp_path):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(UserError, match="link or a device"):
        extract(make_zip(tmp_path / "x.zip", (info, "/etc/passwd")), tmp_path)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(archives, "RATIO_FROM", 2**20)
    (tmp_path / "into").mkdir()
    size = 4 * 2**20
    path = (
        make_zip(tmp_path / "x.zip", ("x", bytes(size))) if kind == "zip" else make_tar(tmp_path / "x.tgz", size=size)
    )
    with pytest.raises(UserError, match="bomb"):
        extract(path, tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


def test_a_tar_bomb_is_refused_at_its_header(tmp_path):
    info = tarfile.TarInfo("x")
    info.size = 2**40
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as archive:
        archive.addfile(info)
    with pytest.raises(UserError, match="bomb"):
        extract(tmp_path / "x.tgz", tmp_path)


def test_an_encrypted_zip_is_refused(tmp_path):
    path = make_zip(tmp_path / "x.zip", ("secret", "1"))
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the flag in the member's own header, and in the directory at the end
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="encrypted"):
        extract(path, tmp_path)


def test_a_zip_whose_content_was_garbled_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x", b"content" * 100)
    data = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(data.replace(b"content", b"c0ntent", 1))
    with pytest.raises(UserError, match="damaged"):
        extract(tmp_path / "x.zip", tmp_path)


def test_a_truncated_tar_is_refused(tmp_path):
    path = make_tar(tmp_path / "x.tar.gz", size=100_000)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match="damaged"):
        extract(path, tmp_path)


def test_an_archive_inside_an_archive_stays_a_file(tmp_path):
    inner = make_zip(tmp_path / "inner.zip", ("x", "1")).read_bytes()
    (tmp_path / "into").mkdir()
    assert extract(make_zip(tmp_path / "x.zip", ("inner.zip", inner)), tmp_path / "into") == ["inner.zip"]
    assert (tmp_path / "into/inner.zip").read_bytes() == inner


def test_patterns_that_match_nothing_say_what_there_is(tmp_path):
    with pytest.raises(UserError, match="no file matches") as caught:
        extract(make_zip(tmp_path / "x.zip", ("data/cells.csv", "1")), tmp_path, ["images/*"])
    assert "data/cells.csv" in str(caught.value)


def test_a_web_page_in_the_place_of_an_archive_is_refused(server, tmp_path):
    server.files["/x.zip"] = b"\n <!DOCTYPE html><html>Please log in</html>"
    message = refused(tmp_path, "web page", url=f"{server.url}/x.zip")
    assert "login" in message
    server.files["/x.zip"] = make_zip(tmp_path / "x.zip", ("x", "1")).read_bytes()
    fetched(tmp_path, url=f"{server.url}/x.zip")  # nothing of the page was kept


def test_a_file_that_is_no_archive_is_refused_and_asked_for_again(server, tmp_path):
    server.files["/x.zip"] = b"nonsense"
    refused(tmp_path, "neither a zip nor a tar", url=f"{server.url}/x.zip")
    server.files["/x.zip"] = make_zip(tmp_path / "x.zip", ("x", "1")).read_bytes()
    fetched(tmp_path, url=f"{server.url}/x.zip")


@pytest.mark.parametrize(
    ("status", "says"), [(401, "token"), (403, "token"), (404, "is not there"), (410, "is not there"), (418, "418")]
)
def test_a_refusal_is_not_asked_twice(server, tmp_path, status, says):
    server.faults["/x.csv"] = [("status", status)] * 3
    assert f"{server.url}/x.csv" in refused(tmp_path, says, url=f"{server.url}/x.csv")
    assert len(server.seen) == 1


def test_a_server_that_stays_busy_is_given_up(server, tmp_path):
    server.faults["/x.csv"] = [("status", 503)] * 10
    refused(tmp_path, "in 6 attempts.*503", url=f"{server.url}/x.csv")
    assert len(server.seen) == 6


def test_an_address_without_a_server_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "ATTEMPTS", 2)
    refused(tmp_path, "could not be downloaded", url="http://127.0.0.1:9/x.csv")


def test_two_urls_with_one_file_name_are_refused(server, tmp_path):
    refused(tmp_path, "same file name", url=[f"{server.url}/a/x.csv", f"{server.url}/b/x.csv"])


def test_checksums_that_name_no_file_and_wrong_ones_are_shown_together(server, tmp_path):
    server.files |= {"/a.csv": b"a", "/b.csv": b"b"}
    sums = {"a.csv": "0" * 64, "b.csv": "1" * 64, "c.csv": "2" * 64}
    message = refused(tmp_path, "3 problems", url=[f"{server.url}/a.csv", f"{server.url}/b.csv"], sha256=sums)
    assert all(name in message for name in sums)


@pytest.mark.parametrize("content", ["{", "[]", '{"x": 1}'])
def test_a_broken_lock_file_is_named_and_left_alone(server, tmp_path, content):
    server.files["/a.csv"] = b"a"
    (tmp_path / "lock.json").write_text(content)
    with pytest.raises(UserError, match="lock.json"):
        fetched(tmp_path, url=f"{server.url}/a.csv")
    assert (tmp_path / "lock.json").read_text() == content


def test_a_path_that_is_not_there_says_which_part_is(tmp_path):
    assert str(tmp_path) in refused(tmp_path, "does not exist", path=str(tmp_path / "no/where"))


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    refused(tmp_path, "is empty", path=str(tmp_path / "mine"))


def test_a_package_that_the_registry_lacks_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    refused(tmp_path, "graft-no-such-data==1.0", package="graft-no-such-data", version="1.0", files=["*"])


def test_a_registry_that_cannot_be_reached_is_not_blamed_on_the_name(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    refused(tmp_path, ": the registry cannot be reached", package="datamol", version="0.13.0", files=["*"])


@pytest.mark.parametrize(("name", "version"), [("--index-url=x", "1.0"), ("x", "1.0 --pre"), ("x @ file:///etc", "1")])
def test_a_package_name_is_never_an_option_of_pip(tmp_path, name, version):
    refused(tmp_path, "no package and version", package=name, version=version, files=["*"])


@pytest.mark.parametrize(
    ("error", "says"),
    [("gated", "gated.*\n.*HF_TOKEN"), ("missing", "has no 'lab/x'"), ("revision", "no revision 'main'")],
)
def test_what_the_hub_refuses_is_said_with_what_to_do(server, tmp_path, monkeypatch, error, says):
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    add_refusal(server, "lab/x", error)
    entry = {"library": "transformers", "source": {"huggingface": "lab/x"}}
    with pytest.raises(UserError, match=says):
        fetch_backbone("x", entry, tmp_path / "out/x", tmp_path / "lock.json")


def test_a_repository_that_the_offline_cache_lacks_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    refused(tmp_path, "cannot be reached.*lab/x", huggingface="lab/x", revision="main")


def test_a_hub_that_is_down_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    refused(tmp_path, "cannot be reached.*lab/x", huggingface="lab/x", revision="main")


@pytest.mark.parametrize(
    ("library", "architecture", "source", "says"),
    [
        ("timm", "resnet18", {"timm": "a1_in1"}, "did you mean 'a1_in1k'"),
        ("timm", "resnet81", {"random": True}, "did you mean 'resnet"),
        ("torchvision", "resnet18", {"torchvision": "IMAGENET1K_V3"}, "IMAGENET1K_V1"),
        ("torchvision", "resnet81", {"torchvision": "DEFAULT"}, "did you mean 'resnet"),
        ("torchvision", "fcn_resnet50", {"random": True}, "no classification architecture"),
    ],
)
def test_unknown_architectures_and_weights_get_a_suggestion(tmp_path, library, architecture, source, says):
    entry = {"library": library, "architecture": architecture, "source": source}
    with pytest.raises(UserError) as caught:
        fetch_backbone("x", entry, tmp_path / "out/x", tmp_path / "lock.json")
    assert says in str(caught.value)

"""A model in one file: taken over whole, or refused with one sentence and nothing written."""

import json
import stat
import struct
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from napari_cellcycle.config import SegmentSettings
from napari_cellcycle.data.stages import H2B
from napari_cellcycle.errors import BadInput, CannotWrite, MissingModel
from napari_cellcycle.models import library_file
from napari_cellcycle.models.library import NameTaken
from napari_cellcycle.models.library_file import export_model, import_model
from napari_cellcycle.models.library_weights import check_weights
from napari_cellcycle.models.link.open import linker_of
from napari_cellcycle.models.segment.segmenter import open_segmenter
from napari_cellcycle.models.stage.model import (
    CLASSIFIER,
    FRAME,
    KINDS,
    MEASURED,
    NUCLEUS,
    PAPER,
    RECURRENT,
    RESNET,
    stage_model_of,
)
from napari_cellcycle.models.store import ModelCard, find_model, list_models, save_model

CARD = {"name": "mine", "kind": "link", "architecture": "graph network over cells"}
WEIGHTS = save({"weight": np.arange(6, dtype=np.float32).reshape(2, 3)})


@pytest.fixture
def folder(tmp_path):
    """An empty model folder."""
    place = tmp_path / "models"
    place.mkdir()
    return place


def packed(tmp_path, *members, card=None, weights=WEIGHTS, name="mine"):
    """A file with this card and these weights, and `members` (ZipInfo or name, bytes) besides."""
    path = tmp_path / "got.cellmodel"
    with zipfile.ZipFile(path, "w") as archive:
        if card is not False:
            text = card if isinstance(card, bytes | str) else json.dumps(CARD | (card or {}))
            archive.writestr(f"{name}.json", text)
        if weights is not None:
            archive.writestr(f"{name}.safetensors", weights)
        for member, content in members:
            archive.writestr(member, content)
    return path


def refused(path, folder, words, error=BadInput):
    """One sentence, and nothing in the folder."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(error, match=words) as caught:
        import_model(path, folder)
    assert sorted(folder.rglob("*")) == before
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    return caught.value


@pytest.mark.parametrize("name", [model.card.name for model in list_models()])
def test_every_shipped_model_can_be_passed_on_under_another_name(name, tmp_path, folder):
    model = next(m for m in list_models() if m.card.name == name)
    path = export_model(model, tmp_path)
    assert path == tmp_path / f"{name}.cellmodel"
    assert sorted(zipfile.ZipFile(path).namelist()) == [f"{name}.json", f"{name}.safetensors"]
    offer = refused(path, folder, "is called .* already", NameTaken).offer
    taken = import_model(path, folder, offer)
    assert taken.path == folder / f"{name}-2.safetensors"
    assert taken.path.read_bytes() == model.path.read_bytes()
    assert find_model(offer, model.card.kind, folder).card == taken.card
    same = {"metrics", "settings", "data", "split", "created", "licence", "parent"}
    assert taken.card.model_dump(include=same) == model.card.model_dump(include=same)


def test_an_exported_model_tells_where_it_comes_from_on_another_machine(tmp_path, folder):
    base = ModelCard(**CARD, data=["hela"])
    parent = save_model({"w": torch.zeros(2)}, base, folder)
    child = save_model(
        {"w": torch.ones(2)}, ModelCard(**(CARD | {"name": "child"}), parent="mine"), folder
    )
    other = tmp_path / "other"
    taken = import_model(export_model(child, tmp_path, folder), other)
    (ancestor,) = taken.card.history
    assert ancestor.name == "mine" and ancestor.data == ["hela"]
    assert ancestor.created == parent.card.created
    assert torch.equal(taken.weights()["w"], torch.ones(2))


def test_a_file_in_the_way_is_not_replaced_unasked(tmp_path, folder):
    model = save_model({"w": torch.zeros(2)}, ModelCard(**CARD), folder)
    path = export_model(model, tmp_path / "passed-on")
    assert path.name == "passed-on.cellmodel"
    before = path.read_bytes()
    with pytest.raises(BadInput, match="exists already"):
        export_model(model, path)
    export_model(model, path, overwrite=True)
    assert path.read_bytes() != b"" and len(path.read_bytes()) == len(before)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["models", "passed-on.cellmodel"]


def test_damaged_weights_are_not_passed_on(tmp_path, folder):
    model = save_model({"w": torch.zeros(2)}, ModelCard(**CARD), folder)
    model.path.write_bytes(model.path.read_bytes()[:-3])
    with pytest.raises(BadInput, match="damaged"):
        export_model(model, tmp_path)
    assert not list(tmp_path.glob("*.cellmodel*"))


def link(name):
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ("mine.pkl", "holds a pickle"),
        ("archive/data.pkl", "holds a pickle"),
        ("mine.PT", "holds a pickle"),
        ("readme.txt", "holds .*'readme.txt'.* instead of one card"),
        ("second.safetensors", "instead of one card"),
        ("../mine.json", "leads out of the folder"),
        ("a/../../mine.json", "leads out of the folder"),
        ("..\\mine.json", "leads out of the folder"),
        ("/etc/cron.d/mine.json", "to a fixed place"),
        ("C:\\mine.json", "to a fixed place"),
        ("C:mine.json", "to a fixed place"),
        ("\\\\server\\mine.json", "to a fixed place"),
        ("sub/mine.json", "another folder"),
        ("sub/", "another folder"),
        (link("mine2.safetensors"), "holds a link"),
    ],
    ids=lambda value: getattr(value, "filename", value)[:24],
)
def test_anything_besides_card_and_weights_is_refused(tmp_path, folder, member, words):
    refused(packed(tmp_path, (member, b"x")), folder, words)


@pytest.mark.parametrize("name", ["../mine", "/mine", "sub/mine", "..\\mine"])
def test_card_and_weights_themselves_may_not_lead_elsewhere(tmp_path, folder, name):
    refused(packed(tmp_path, name=name), folder, "leads out|fixed place|another folder")


def test_weights_that_are_a_link_are_refused(tmp_path, folder):
    path = packed(tmp_path, (link("mine.safetensors"), b"/etc/passwd"), weights=None)
    refused(path, folder, "holds a link")


def test_a_card_or_weights_alone_are_refused(tmp_path, folder):
    refused(packed(tmp_path, weights=None), folder, r"holds 'mine.json' instead of one card")
    refused(packed(tmp_path, card=False), folder, "instead of one card")
    refused(packed(tmp_path, card=False, weights=None), folder, "holds nothing instead")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice_is_refused(tmp_path, folder):
    refused(packed(tmp_path, ("mine.json", "{}")), folder, "instead of one card")


def test_a_checkpoint_of_torch_is_refused_as_the_pickle_that_it_is(tmp_path, folder):
    path = tmp_path / "got.cellmodel"
    torch.save({"w": torch.zeros(2)}, path)
    refused(path, folder, "holds a pickle")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04N.", b"hello" * 99])
def test_what_is_no_archive_is_refused(tmp_path, folder, content):
    path = tmp_path / "got.cellmodel"
    path.write_bytes(content)
    refused(path, folder, "is no exported model")
    refused(tmp_path / "nowhere.cellmodel", folder, "is not there")
    refused(tmp_path, folder, "is no file")


def test_what_grows_when_unpacked_is_refused_unread(tmp_path, folder):
    path = tmp_path / "got.cellmodel"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mine.json", json.dumps(CARD))
        archive.writestr("mine.safetensors", save({"w": np.zeros(4_000_000, np.float32)}))
    assert path.stat().st_size < 100_000
    refused(path, folder, r"grows to [\d,]+ times its size")


@pytest.mark.parametrize(
    ("limit", "words"),
    [("_MOST_WEIGHTS", r"says that 'mine.safetensors' takes"), ("_MOST_CARD", "'mine.json' takes")],
)
def test_what_declares_an_absurd_size_is_refused(tmp_path, folder, monkeypatch, limit, words):
    path = packed(tmp_path)
    monkeypatch.setattr(library_file, limit, 20)
    monkeypatch.setattr(library_file, "_MOST_CARD" if limit != "_MOST_CARD" else "_SMALL", 10**6)
    refused(path, folder, words)


def declaring(path, sizes):
    """Change the sizes that the archive's directory declares for its weights."""
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    struct.pack_into("<II", content, at + 20, *sizes)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("size", [len(WEIGHTS) + 5, len(WEIGHTS) - 5, 0])
def test_sizes_that_are_not_true_are_found_out(tmp_path, folder, size):
    path = declaring(packed(tmp_path), (len(WEIGHTS), size))
    refused(path, folder, "damaged")
    path = declaring(packed(tmp_path), (size, size))
    refused(path, folder, "damaged")


def test_four_gigabytes_declared_are_refused(tmp_path, folder):
    path = declaring(packed(tmp_path), (len(WEIGHTS), 0xFFFFFFFE))
    refused(path, folder, "takes 4,295 MB, and 2,000 MB is most")


def test_a_flipped_bit_is_found_out(tmp_path, folder):
    path = packed(tmp_path)
    content = bytearray(path.read_bytes())
    at = content.index(WEIGHTS) + len(WEIGHTS) - 2
    content[at] ^= 4
    path.write_bytes(content)
    refused(path, folder, "damaged")


def test_too_little_room_is_told_before_anything_is_written(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(
        library_file.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})
    )
    refused(packed(tmp_path), folder, "but only 0 MB are free", CannotWrite)


def test_a_disk_that_fills_up_leaves_nothing(tmp_path, folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(library_file, "write_card", full)
    refused(packed(tmp_path), folder, "disk is full", CannotWrite)


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (b"\x80\x04N.", "card that cannot be read"),
        ("[1, 2]", "card that cannot be read"),
        ("[" * 100_000, "card that cannot be read"),
        ("{}", "card that cannot be read"),
        ({"kind": "paint"}, "for a step 'paint' that this version does not know"),
        ({"kind": ["link"]}, "that this version does not know"),
        ({"architecture": "transformer"}, r"of a kind that this version .*'transformer'"),
        ({"architecture": 3}, r"none of a model \(architecture: .*string"),
        ({"kind": "segment"}, "of a kind that this version does not know"),
        ({"colour": "red"}, "'colour', which only a newer version may know"),
        ({"metrics": 3}, r"none of a model \(metrics: "),
        ({"created": "yesterday"}, r"none of a model \(created: "),
        ({"kind": "stage", "architecture": "nucleus"}, "stages cannot be read"),
        (
            {"kind": "stage", "architecture": "nucleus", "settings": {"stages": {"name": 3}}},
            "stages cannot be read",
        ),
    ],
)
def test_cards_that_do_not_fit_are_refused(tmp_path, folder, card, words):
    refused(packed(tmp_path, card=card), folder, words)


@pytest.mark.parametrize("name", ["cellcycle-nuclei", "cellcycle-links", "rnn", "frame", "nucleus"])
@pytest.mark.parametrize("wrong", ["weights", "settings"])
def test_a_card_that_its_weights_do_not_fit_is_told_when_the_model_is_opened(
    tmp_path, folder, name, wrong
):
    model = next(m for m in list_models() if m.card.name == name)
    kept = {k: v for k, v in model.card.settings.items() if wrong == "weights" or k == "stages"}
    card = json.loads(model.card.model_copy(update={"name": "got"}).model_dump_json())
    weights = WEIGHTS if wrong == "weights" else model.path.read_bytes()
    path = packed(tmp_path, card=card | {"settings": kept}, weights=weights)
    taken = import_model(path, folder)
    with pytest.raises(MissingModel, match="fit"):
        opened(taken)


@pytest.mark.parametrize(
    "kind", [FRAME, RECURRENT, PAPER, RESNET, CLASSIFIER, NUCLEUS, MEASURED, KINDS]
)
def test_every_kind_of_stage_model_can_be_passed_on(tmp_path, folder, kind):
    card = {"kind": "stage", "architecture": kind, "settings": {"stages": list(H2B.names)}}
    mine = save_model({"w": torch.zeros(3)}, ModelCard(**CARD | card), tmp_path)
    taken = import_model(export_model(mine, tmp_path / "mine.cellmodel", tmp_path), folder)
    assert taken.card == mine.card
    with pytest.raises(MissingModel, match="fit"):
        opened(taken)


def opened(model):
    device = torch.device("cpu")
    if model.card.kind == "link":
        return linker_of(model, "cpu")
    if model.card.kind == "stage":
        return stage_model_of(model, device)
    return open_segmenter(SegmentSettings(model=str(model.path)), device)


def test_a_card_with_an_impossible_name_gets_one_that_is_possible(tmp_path, folder):
    taken = import_model(packed(tmp_path, card={"name": "../my model"}), folder)
    assert taken.card.name == "my-model" and taken.path.parent == folder


def header(tensors, numbers=b"\0" * 24):
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def tensor(begin=0, end=24, dtype="F32", shape=(2, 3)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (b"", "header is longer than the file"),
        (b"\xff" * 8, "header is longer than the file"),
        (struct.pack("<Q", 10**9) + b"{}", "header is longer than the file"),
        (struct.pack("<Q", 4) + b"\xff\xfe\0\0", "header cannot be read"),
        (struct.pack("<Q", 2) + b"[]", "header cannot be read"),
        (b"\x80\x04\x95" + b"\0" * 40, "damaged or no safetensors"),
        (header({}), "names 0 arrays"),
        (header({"w": tensor(0, 48, shape=(2, 6))}), "'w' would lie outside of the file"),
        (header({"w": tensor(-24, 0)}), "'w' has a size or place that cannot be"),
        (header({"w": tensor(24, 0)}), "'w' is not as large as it says"),
        (header({"w": tensor(shape=(2, 4))}), "'w' is not as large as it says"),
        (header({"w": tensor(shape=(2**40, 2**40))}), "'w' is not as large as it says"),
        (header({"w": tensor(shape=(2.0, 3))}), "'w' has a size or place that cannot be"),
        (header({"w": tensor(shape=(True, 6))}), "'w' has a size or place that cannot be"),
        (header({"w": tensor(dtype="O")}), "what the array 'w' is"),
        (header({"w": 3}), "what the array 'w' is"),
        (header({"w": tensor(0, 12, shape=(3,))}), "leave gaps"),
        (header({"w": tensor(), "v": tensor()}), "overlap"),
        (header({"w": tensor()}, b"\0" * 30), "leave gaps"),
    ],
)
def test_weights_that_are_not_what_they_say_are_refused(tmp_path, folder, weights, words):
    refused(packed(tmp_path, weights=weights), folder, words)


def test_a_name_twice_in_the_header_is_refused(tmp_path, folder):
    entry = json.dumps(tensor())
    text = f'{{"w": {entry}, "w": {entry}}}'.encode()
    weights = struct.pack("<Q", len(text)) + text + b"\0" * 24
    refused(packed(tmp_path, weights=weights), folder, "header cannot be read")


@settings(max_examples=60, deadline=None)
@given(
    shapes=st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=1, max_size=5),
    kind=st.sampled_from(["float32", "float16", "int64", "uint8", "bool"]),
)
def test_what_the_format_itself_writes_is_sound(tmp_path_factory, shapes, kind):
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    path.write_bytes(save({str(i): np.zeros(shape, kind) for i, shape in enumerate(shapes)}))
    check_weights(path, "w")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_file_with_any_byte_changed_is_taken_whole_or_refused_whole(tmp_path_factory, data):
    place = tmp_path_factory.mktemp("changed")
    path, folder = packed(place), place / "models"
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        model = import_model(path, folder)
    except BadInput:
        assert not folder.exists() or not list(folder.iterdir())
    else:
        assert model.weights()["weight"].shape == (2, 3)
        assert len(list(folder.iterdir())) == 2

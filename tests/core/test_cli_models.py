"""The model library from the command line."""

import pytest
import torch
from typer.testing import CliRunner

from napari_cellcycle.cli import app
from napari_cellcycle.models.library import default_model
from napari_cellcycle.models.store import ModelCard, save_model

COMMANDS = [
    "show",
    "compare",
    "use",
    "rollback",
    "rename",
    "export",
    "import",
    "remove",
    "restore",
    "empty-bin",
]


@pytest.fixture
def library(tmp_path):
    """A folder with one link model, taught from the shipped one; and the commands on it."""
    card = ModelCard(
        name="mine",
        kind="link",
        architecture="graph network over cells",
        parent="cellcycle-links",
        data=["dic-01, frames 0 to 20"],
        metrics={"kept aside": {"link F1": 0.96}},
    )
    save_model({"w": torch.ones(3)}, card, tmp_path / "models")

    def call(*arguments, code=0):
        given = ["models", *map(str, arguments), "--model-folder", str(tmp_path / "models")]
        result = CliRunner().invoke(app, given)
        assert result.exit_code == code, result.output
        return result.output

    return call


@pytest.mark.parametrize("command", COMMANDS)
def test_help_gives_an_example(command):
    result = CliRunner().invoke(app, ["models", command, "--help"])
    assert result.exit_code == 0 and f"napari-cellcycle models {command}" in result.output
    assert "Example:" in result.output


def test_a_model_is_used_and_the_way_back_is_one_command(library, tmp_path):
    assert "  mine  (track --model)" in library()
    assert "'mine' is in use for tracking now" in library("use", "mine")
    assert default_model("link", tmp_path / "models") == "mine"
    assert "* mine  (track --model)" in library()
    assert "'cellcycle-links' is in use for tracking again" in library("rollback", "link")
    assert "* cellcycle-links" in library()
    assert "was not taught from another" in library("rollback", "link", code=2)


def test_what_is_known_of_a_model_is_shown(library):
    told = library("show", "mine")
    for words in ("follows cells over time", "cellcycle-links", "dic-01", "link F1 0.960"):
        assert words in told
    assert "there are: cellcycle-links" in library("show", "yours", code=2)


def test_two_models_are_compared(library):
    told = library("compare", "cellcycle-links", "mine")
    assert "Only mine learned from:\n  dic-01, frames 0 to 20" in told
    assert "not measured on the same data" in told
    assert "network: width" in told
    assert "are the same model" in library("compare", "mine", "mine")


def test_a_model_goes_out_and_comes_in_under_another_name(library, tmp_path):
    assert "mine.cellmodel  (0.0 MB)" in library("export", "mine", "--out", tmp_path)
    file = tmp_path / "mine.cellmodel"
    assert "exists already" in library("export", "mine", "--out", file, code=2)
    library("export", "mine", "--out", file, "--overwrite")
    assert "Add --name mine-2" in library("import", file, code=2)
    assert "mine-2  (track --model)" in library("import", file, "--name", "mine-2")
    assert "is no exported model" in library("import", __file__, code=2)


def test_a_model_is_renamed_removed_and_brought_back(library):
    assert "is called 'dic' now" in library("rename", "mine", "dic")
    assert "'models restore dic' brings it back" in library("remove", "dic")
    assert "dic" not in library()
    listed = library("restore")
    assert "dic  (track --model)  removed" in listed and "1 in the bin" in listed
    assert "there are: dic" in library("restore", "mine", code=2)
    assert "'dic' is back" in library("restore", "dic")
    assert "came with the package" in library("remove", "rnn", code=2)
    library("remove", "dic")
    assert "1 deleted" in library("empty-bin")
    assert "0 in the bin" in library("restore")


def test_an_option_in_the_wrong_place_is_not_passed_over(tmp_path):
    result = CliRunner().invoke(app, ["models", "--kind", "link", "use", "rnn"])
    assert result.exit_code == 2 and "before 'use'; give them after it" in result.output

"""TrackMate's files, read as TrackMate shows them, and written as it reads them."""

import warnings
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from test_exchange import family  # noqa: F401 - a fixture

from napari_cellcycle.errors import BadInput
from napari_cellcycle.io.exchange import import_tracks
from napari_cellcycle.io.trackmate import write_trackmate
from napari_cellcycle.io.trackmate_import import read_trackmate

HEAD = '<?xml version="1.0" encoding="UTF-8"?><TrackMate version="7.11.1"><Log>done</Log>'
IMAGE = (
    '<ImageData filename="hela.tif" folder="/data/" width="64" height="64" nslices="{slices}" '
    'nframes="5" pixelwidth="0.5" pixelheight="0.5" voxeldepth="2.0" timeinterval="2.0"/>'
)


def spot(number, frame, x, y, z=0.0, **others):
    more = "".join(f' {key}="{value}"' for key, value in others.items())
    return (
        f'<Spot ID="{number}" name="ID{number}" QUALITY="3.5" POSITION_T="{2.0 * frame}" '
        f'MEAN_INTENSITY_CH1="{10.0 * frame}" RADIUS="2.5" VISIBILITY="1" POSITION_X="{x}" '
        f'POSITION_Y="{y}" POSITION_Z="{z}" FRAME="{frame}"{more}/>'
    )


def edge(source, target, cost=1.0):
    return (
        f'<Edge SPOT_SOURCE_ID="{source}" SPOT_TARGET_ID="{target}" LINK_COST="{cost}" '
        'DISPLACEMENT="1.0"/>'
    )


def document(spots, tracks, filtered=None, slices=1, image=True):
    """A file as TrackMate writes it, of spots and of tracks (lists of edges)."""
    all_tracks = "".join(
        f'<Track name="Track_{n}" TRACK_ID="{n}" NUMBER_SPOTS="9">{"".join(edges)}</Track>'
        for n, edges in enumerate(tracks)
    )
    shown = range(len(tracks)) if filtered is None else filtered
    ids = "".join(f'<TrackID TRACK_ID="{n}"/>' for n in shown)
    frame = f'<SpotsInFrame frame="0">{"".join(spots)}</SpotsInFrame>'
    settings = f"<Settings>{IMAGE.format(slices=slices)}</Settings>" if image else ""
    return (
        f'{HEAD}<Model spatialunits="micron" timeunits="min">'
        '<FeatureDeclarations><SpotFeatures><Feature feature="FRAME" name="Frame" '
        'shortname="Frame" dimension="NONE" isint="true"/></SpotFeatures></FeatureDeclarations>'
        f'<AllSpots nspots="{len(spots)}">{frame}</AllSpots><AllTracks>{all_tracks}</AllTracks>'
        f"<FilteredTracks>{ids}</FilteredTracks></Model>{settings}"
        '<GUIState state="ConfigureViews"/></TrackMate>'
    )


@pytest.fixture
def saved(tmp_path):
    def save(*arguments, **options):
        path = tmp_path / "tracks.xml"
        path.write_text(document(*arguments, **options), encoding="utf-8")
        return path

    return save


def pairs(tracks):
    return sorted(map(tuple, tracks.links[["parent", "child"]].to_numpy().tolist()))


def test_a_division_in_fiji_is_a_division_here_in_pixels(saved):
    """0 - 1 -/- 2
    \\- 3
    """
    spots = [spot(5, 0, 4, 2), spot(6, 1, 5, 2), spot(7, 2, 6, 2), spot(8, 2, 6, 4)]
    found = read_trackmate(saved(spots, [[edge(5, 6), edge(6, 7), edge(8, 6)]]))
    assert pairs(found.tracks) == [(5, 6), (6, 7), (6, 8)]
    assert found.tracks.divisions.tolist() == [6]
    assert found.tracks.cells["x"].tolist() == [8.0, 10.0, 12.0, 12.0]
    assert found.tracks.cells["MEAN_INTENSITY_CH1"].tolist() == [0.0, 10.0, 20.0, 20.0]
    assert found.pixel_size == (0.5, 0.5) and found.frame_interval == 120.0
    assert found.movie == "/data/hela.tif" and not found.left_out
    assert (found.tracks.links["score"] == 1).all()


def test_spots_of_several_planes_are_in_3d(saved):
    found = read_trackmate(saved([spot(1, 0, 4, 2, 6.0)], [], slices=9))
    assert found.tracks.axes == ["z", "y", "x"] and found.pixel_size == (2.0, 0.5, 0.5)
    assert found.tracks.cells["z"].tolist() == [3.0]


def test_ids_from_0_on_are_raised(saved, tmp_path):
    path = saved([spot(0, 0, 1, 1), spot(1, 1, 1, 1)], [[edge(0, 1)]])
    tracks, report = import_tracks(path)
    assert pairs(tracks) == [(1, 2)]
    assert "Every cell has a new id" in str(report) and report.complete


def test_of_merging_cells_the_cheaper_link_stays(saved):
    spots = [spot(1, 0, 1, 1), spot(2, 0, 5, 5), spot(3, 1, 3, 3)]
    tracks, report = import_tracks(saved(spots, [[edge(1, 3, 8.0), edge(2, 3, 0.5)]]))
    assert pairs(tracks) == [(2, 3)]
    assert "1 link was left out because the cell has a parent already" in str(report)
    assert not report.complete


def test_of_three_children_the_two_with_cheaper_links_stay(saved):
    spots = [spot(1, 0, 1, 1), *(spot(n, 1, n, 1) for n in (2, 3, 4))]
    path = saved(spots, [[edge(1, 2, 1.0), edge(1, 3, 9.0), edge(1, 4, 2.0)]])
    tracks, report = import_tracks(path)
    assert pairs(tracks) == [(1, 2), (1, 4)]
    assert "1 link was left out because the cell has two children already" in str(report)


def test_what_filters_hide_is_left_out_and_lone_spots_are_kept(saved):
    spots = [
        *(spot(n, n % 2, n, 1) for n in range(1, 5)),
        spot(7, 0, 9, 9),
        spot(8, 0, 9, 1).replace('VISIBILITY="1"', 'VISIBILITY="0"'),
    ]
    tracks, report = import_tracks(saved(spots, [[edge(2, 1)], [edge(4, 3)]], filtered=[0]))
    assert tracks.cells.index.tolist() == [1, 2, 7]
    assert "3 spots that TrackMate's filters hide were left out" in str(report)


def test_outlines_are_told_and_not_taken(saved):
    outlined = spot(1, 0, 1, 1, ROI_N_POINTS=3).replace("/>", ">-1 0 1 0 0 1</Spot>")
    tracks, report = import_tracks(saved([outlined], []))
    assert len(tracks) == 1 and "1 outline was not taken over" in str(report)


def test_links_to_nowhere_and_within_a_frame_are_told(saved):
    spots = [spot(1, 0, 1, 1), spot(2, 0, 5, 5)]
    tracks, report = import_tracks(saved(spots, [[edge(1, 2), edge(1, 99)]]))
    assert len(tracks.links) == 0
    assert "1 link joins cells of one frame" in str(report)
    assert "1 link names a cell that the file does not have" in str(report)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "damaged or no XML"),
        (document([spot(1, 0, 1, 1)], [])[:-60], "damaged or no XML"),
        ("<Tracks nTracks='2'/>", "begins with <Tracks>"),
        (document(['<Spot name="a" POSITION_X="1" POSITION_Y="1"/>'], []), "have no ID"),
        (document(['<Spot ID="1" POSITION_Y="1"/>'], []), "have no POSITION_X"),
        (document(['<Spot ID="1" POSITION_X="left" POSITION_Y="1"/>'], []), "has no place"),
        (document([spot(1, 0, 1, 1), spot(1, 1, 1, 1)], []), "two cells with the number 1"),
        (document([spot(1, 0.5, 1, 1)], []), "0.5 as the frame"),
        (document([spot(1, 0, 1, 1)], [['<Edge SPOT_SOURCE_ID="1"/>']]), "has no SPOT_TARGET_ID"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path, text, words):
    path = tmp_path / "tracks.xml"
    path.write_text(text)
    with pytest.raises(BadInput) as error:
        read_trackmate(path)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_trackmate(tmp_path / "none.xml")


def test_attributes_of_spots_are_numbers_as_trackmate_wants_them(family, tmp_path):  # noqa: F811
    write_trackmate(family, tmp_path / "a.xml")
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    declared = {f.get("feature"): f.get("name") for f in root.iter("Feature")}
    assert declared["CC_STAGE"].startswith('stage ["interphase", "prophase"')
    for element in root.iter("Spot"):
        values = {k: float(v) for k, v in element.attrib.items() if k != "name"}
        assert set(values) - {"ID"} <= set(declared)
    tracks = list(root.iter("Track"))
    assert [t.get("name") for t in tracks] == ["Lineage 1"]
    assert [tracks[0].get(f"NUMBER_{n}") for n in ("SPOTS", "GAPS", "SPLITS")] == ["5", "1", "1"]
    names = [element.get("name") for element in root.iter("Spot")]
    assert "1 prophase" in names
    settings = root.find("Settings")
    assert next(child.tag for child in settings) == "ImageData"
    for part in ("InitialSpotFilter", "SpotFilterCollection", "TrackFilterCollection"):
        assert settings.find(part) is not None


def test_another_reader_of_trackmate_finds_the_same(family, tmp_path):  # noqa: F811
    from geff import read
    from geff.convert import from_trackmate_xml_to_geff

    write_trackmate(family, tmp_path / "a.xml")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from_trackmate_xml_to_geff(tmp_path / "a.xml", tmp_path / "a.geff")
        graph, _ = read(tmp_path / "a.geff")
    assert sorted(graph.edges) == pairs(family.tracks)
    places = {n: (d["POSITION_Y"] * 2, d["POSITION_X"] * 2) for n, d in graph.nodes(data=True)}
    assert places == dict(family.tracks.cells[["y", "x"]].apply(tuple, axis=1))


def test_what_is_added_in_trackmate_is_the_users(family, tmp_path):  # noqa: F811
    write_trackmate(family, tmp_path / "a.xml")
    text = (tmp_path / "a.xml").read_text()
    text = text.replace('<SpotsInFrame frame="4">', '<SpotsInFrame frame="4">' + spot(99, 4, 3, 3))
    text = text.replace("</Track>", edge(16, 99) + "</Track>")
    (tmp_path / "a.xml").write_text(text)
    tracks = read_trackmate(tmp_path / "a.xml").tracks
    assert tracks.cells.loc[99, "by"] == "user" and tracks.cells.loc[99, "pinned"] == ""
    by = tracks.links.set_index("child")["by"]
    assert by[99] == "user" and by[14] == "model"
    assert tracks.cells.loc[99, "label"] > 4


def test_the_movie_is_named_where_it_is_known(family, tmp_path):  # noqa: F811
    movie = replace(family.movie, source="/data/my <best> movie.tif")
    write_trackmate(replace(family, movie=movie), tmp_path / "a.xml")
    assert read_trackmate(tmp_path / "a.xml").movie == "/data/my <best> movie.tif"


def test_ids_that_trackmate_cannot_hold_are_refused(family, tmp_path):  # noqa: F811
    cells = family.tracks.cells.rename(index={16: 2**31})
    tracks = replace(family.tracks, cells=cells, rejected=family.tracks.rejected.iloc[:0])
    with pytest.raises(BadInput, match="2,147,483,648"):
        write_trackmate(replace(family, tracks=tracks), tmp_path / "a.xml")
    assert list(tmp_path.iterdir()) == []


def test_values_that_are_missing_or_odd_come_back_so(family, tmp_path):  # noqa: F811
    n = len(family.tracks)
    odd = family.tracks.with_columns(
        angle=[np.nan, np.inf, -np.inf, 1e-300, 0.1, -5.0],
        nothing=np.full(n, np.nan),
        note=["a", None, '"q" <&> [1]', "", "é\u2028\ud7ff", "\x00\ufffe"],
        **{"p [um]": np.arange(n, dtype=float)},
    )
    write_trackmate(replace(family, tracks=odd), tmp_path / "a.xml")
    read = read_trackmate(tmp_path / "a.xml").tracks.cells.loc[odd.cells.index]
    assert read["angle"].tolist()[1:] == odd.cells["angle"].tolist()[1:]
    assert np.isnan(read["angle"].iloc[0]) and read["nothing"].isna().all()
    assert read["note"].fillna("gone").tolist() == odd.cells["note"].fillna("gone").tolist()
    assert read["p [um]"].tolist() == list(range(n))

"""The published models: the authors' own golden table, all 927 files, and what they score on ENCODE peaks."""

from __future__ import annotations

import gzip
import tarfile

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bioconv.conv.detector_hits import best_window
from bioconv.conv.detectors import record_scores, window_scores
from bioconv.errors import ModelError
from bioconv.models.model_file import ModelFile, read_model, write_model
from bioconv.sequence.deepbind import (
    MotifModel,
    compat_score,
    from_model_file,
    load_motif_model,
    read_published,
    to_model_file,
)
from bioconv.sequence.null_distribution import fit_null

# The distribution's README: rows example.seq, columns example.ids.
GOLDEN = [
    [7.345649, -0.152710, -0.763340, -0.026180],
    [-0.159393, 3.663924, -0.196943, -0.026180],
    [-0.143584, 0.357632, 5.885349, -0.026180],
    [-0.161033, -0.081444, -0.379695, 17.682623],
]
# Model of each test file; ROC AUC of whole records and of sliding windows, by another implementation.
ENCODE = {
    "ARID3A_K562_ARID3A_(sc-8821)_Stanford": ("D00736.002", 0.885, 0.869),
    "CTCFL_K562_CTCFL_(SC-98982)_HudsonAlpha": ("D00753.001", 0.987, 0.983),
    "ELK1_GM12878_ELK1_(1277-1)_Stanford": ("D00360.007", 0.953, 0.954),
    "FOXA1_HepG2_FOXA1_(SC-101058)_HudsonAlpha": ("D00761.001", 0.982, 0.978),
    "GABPA_GM12878_GABP_HudsonAlpha": ("D00409.004", 0.979, 0.974),
    "MYC_H1-hESC_c-Myc_Stanford": ("D00785.001", 0.928, 0.914),
    "REST_GM12878_NRSF_HudsonAlpha": ("D00799.001", 0.999, 0.999),
    "SP1_GM12878_SP1_HudsonAlpha": ("D00650.007", 0.902, 0.878),
    "USF1_HepG2_USF-1_HudsonAlpha": ("D00700.006", 0.993, 0.994),
    "ZBTB7A_HepG2_ZBTB7A_(SC-34508)_HudsonAlpha": ("D00714.004", 0.873, 0.858),
}
TINY = """# deepbind 0.1
reverse_complement = 1
num_detectors = 2
detector_len = 3
has_avg_pooling = 1
num_hidden = 2
detectors = 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23
thresholds = -1,-2
weights1 = 1,2,3,4,5,6,7,8
biases1 = 0.5,-0.5
weights2 = 1,-1
biases2 = 0.25
"""


def encode(sequence):
    return np.array(["ACGT".find(letter) % 5 for letter in sequence.upper().replace("U", "T")], np.uint8)


@pytest.fixture(scope="session")
def published(shared_data):
    """Name -> text of the published parameter files."""
    with tarfile.open(shared_data("deepbind-models-2015/params.tar.gz")) as archive:
        members = [member for member in archive if member.name.endswith(".txt")]
        return {m.name.split("/")[-1].removesuffix(".txt"): archive.extractfile(m).read().decode() for m in members}


def test_golden_table(shared_data, published):
    names = [line.split()[0] for line in shared_data("deepbind-models-2015/example.ids").read_text().splitlines()]
    sequences = shared_data("deepbind-models-2015/example.seq").read_text().split()
    found = [[compat_score(encode(s), read_published(published[name])) for name in names] for s in sequences]
    # 2e-6, and half a digit of the printed table.
    np.testing.assert_allclose(found, GOLDEN, rtol=0, atol=2.5e-6)


def test_all_published_models_load_and_score(published):
    assert len(published) == 927
    codes = np.random.default_rng(0).integers(0, 5, 60).astype(np.uint8)
    for text in published.values():
        detectors = read_published(text)
        assert detectors.count == 16
        mode = {"window": detectors.length, "padded": True}
        assert np.isfinite(window_scores(codes, detectors, **mode)).all()


@pytest.mark.parametrize("name", ["D00210.001", "D00410.003", "D00799.001", "D00736.002"])
def test_backends_agree_on_published_models(published, name):
    detectors = read_published(published[name])
    codes = np.random.default_rng(1).integers(0, 5, 80).astype(np.uint8)
    for mode in ({"window": detectors.length, "padded": True}, {"window": 50, "padded": False}):
        expected = window_scores(codes, detectors, **mode, backend="reference")
        for backend in (None, "torch"):
            found = window_scores(codes, detectors, **mode, backend=backend)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_encode_auc(shared_data, published):
    measured = []
    for stem, (name, *_) in ENCODE.items():
        with gzip.open(shared_data(f"deepbind-encode-chipseq/{stem}_B.seq.gz"), "rt") as stream:
            rows = [line.split() for line in stream][1:]
        detectors = read_published(published[name])
        records, bound = [encode(row[2]) for row in rows], [int(row[3]) for row in rows]
        whole = [record_scores(codes, detectors).max() for codes in records]
        sliding = [best_window(codes, detectors, window=detectors.length, padded=True) for codes in records]
        measured.append([roc_auc_score(bound, whole), roc_auc_score(bound, sliding)])
    np.testing.assert_allclose(measured, [row[1:] for row in ENCODE.values()], atol=0.002)
    np.testing.assert_allclose(np.mean(measured, axis=0), [0.948, 0.940], atol=0.002)


def test_parameter_order():
    detectors = read_published(TINY)
    assert detectors.filters[1, 2, 0] == 1 + 2 * (2 + 4 * 0)
    assert detectors.filters[0, 3, 2] == 0 + 2 * (3 + 4 * 2)
    assert detectors.weights1[2].tolist() == [5, 6]
    assert detectors.bias2 == 0.25
    assert detectors.average_pooling
    assert detectors.reverse_complement


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("# deepbind 0.1", "# deepbind 0.2", "line 1.*expected '# deepbind 0.1'"),
        ("num_detectors = 2", "num_detectors = 2.5", "line 3.*whole number"),
        ("num_detectors = 2", "num_detectors = 0", "line 3.*from 1"),
        ("reverse_complement = 1", "reverse_complement = 2", "line 2.*from 0 to 1"),
        ("detector_len = 3\n", "", "line 4.*expected 'detector_len"),
        ("thresholds = -1,-2", "thresholds = -1,-2,3", "line 8: thresholds has 3 numbers; expected 2"),
        ("thresholds = -1,-2", "thresholds = -1,x", "line 8.*'x'"),
        ("thresholds = -1,-2", "thresholds = -1,nan", "line 8.*not finite"),
        ("weights2 = 1,-1", "weights2 =", "line 11: weights2 has 0 numbers; expected 2"),
        ("biases2 = 0.25\n", "", "line 12.*expected 'biases2"),
        ("biases2 = 0.25\n", "biases2 = 0.25\nmore = 1\n", "line 13"),
    ],
)
def test_damaged_parameter_files(tmp_path, old, new, match):
    (tmp_path / "D.txt").write_text(TINY.replace(old, new))
    with pytest.raises(ModelError, match=match):
        read_published(tmp_path / "D.txt")


def test_compat_leaves_the_last_window_out():
    """On either strand as that strand reads; whole records no longer than a detector keep theirs."""
    detectors = read_published(TINY)
    codes = encode("GATTACA")
    scores = window_scores(codes, detectors, window=3, padded=True, backend="reference")
    assert compat_score(codes, detectors) == pytest.approx(max(scores[:-1, 0].max(), scores[1:, 1].max()))
    assert compat_score(codes[:3], detectors) == pytest.approx(scores[0].max())


def test_model_file_keeps_everything(tmp_path):
    detectors = read_published(TINY)
    null = fit_null(np.random.default_rng(0).normal(size=20_000), {"background": [0.25] * 4})
    model = MotifModel("tiny", detectors, window=9, padded=False, null=null)
    write_model(tmp_path / "tiny.safetensors", to_model_file(model, licence="CC0-1.0", labels=["bound"]))
    again = load_motif_model(tmp_path / "tiny.safetensors")
    assert (again.name, again.window, again.padded) == ("tiny", 9, False)
    assert read_model(tmp_path / "tiny.safetensors").metadata["labels"] == ["bound"]
    codes = np.random.default_rng(2).integers(0, 5, 50).astype(np.uint8)
    mode = {"window": 9, "padded": False}
    found, expected = (window_scores(codes, m.detectors, **mode) for m in (again, model))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(again.null.p_values(found), null.p_values(found))
    assert again.null.description == null.description


def test_load_chooses_by_content(tmp_path):
    (tmp_path / "D1.001.txt").write_text(TINY)
    model = load_motif_model(tmp_path / "D1.001.txt")
    assert (model.name, model.window, model.padded, model.null) == ("D1.001", 3, True, None)
    (tmp_path / "other.txt").write_text("ACGT")
    with pytest.raises(ModelError, match="cannot be read as a model file"):
        load_motif_model(tmp_path / "other.txt")
    with pytest.raises(ModelError, match=r"missing.txt: no such file"):
        load_motif_model(tmp_path / "missing.txt")


def changed(file, **parts):
    names = ("architecture", "config", "tensors", "metadata")
    return ModelFile(**({name: getattr(file, name) for name in names} | parts))


def test_model_files_that_do_not_fit():
    file = to_model_file(MotifModel("tiny", read_published(TINY), 9, False))
    tensors = file.tensors | {"filters": np.zeros((2, 4, 5), np.float32)}
    cases = [
        (changed(file, architecture="unet"), "'unet' has no motif detectors"),
        (changed(file, config=file.config | {"colour": 1}), "'colour'"),
        (changed(file, config=file.config | {"hidden": "2"}), "'hidden'"),
        (changed(file, tensors=tensors), r"'filters' is float32 \(2, 4, 5\); expected float32 \(2, 4, 3\)"),
        (changed(file, metadata={}), "window is None"),
        (changed(file, config=file.config | {"strand_pooling": "median"}), "'median'; expected one of max, mean"),
        *((changed(file, metadata=file.metadata | {"name": name}), "name is") for name in ("a\tb", "", 5)),
        (changed(file, metadata={"window": {"length": 2, "padded": False}}), "3 or more"),
    ]
    for bad, match in cases:
        with pytest.raises(ModelError, match=match):
            from_model_file(bad)

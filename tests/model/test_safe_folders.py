"""A model's folder: replaced whole, its damage found, and no size believed before it is seen."""

import json
import os
import random
import resource
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import torch

import drnn_forecast as drnn
from drnn_forecast import DilatedRNNForecaster, Ensemble, ForecastData
from drnn_forecast.model.saving.swap import found
from seals import reseal, sealed

WEIGHTS, CONFIGURATION = "model.safetensors", "config.json"


def frame():
    days = pd.date_range("2024-01-01", periods=40, freq="D")
    values = [float(number % 7 + number / 10) for number in range(40)]
    return pd.DataFrame({"shop": "north", "day": days, "sold": values})


def network(seed=0, **options):
    data = ForecastData.from_frame(frame(), time="day", target="sold", series="shop")
    training = data.split(horizon=2, context_length=14, validation_windows=1).training
    torch.manual_seed(seed)
    return DilatedRNNForecaster.from_dataset(
        training, **{"hidden_size": 2, "num_layers": 2, **options}
    ).eval()


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture
def folder(model, tmp_path):
    return model.save(tmp_path / "model")


def is_unnoticed(folder, expected):
    """Return whether a folder gives a model, and one that forecasts otherwise than expected."""
    try:
        loaded = drnn.load(folder)
    except ValueError:
        return False
    pd.testing.assert_frame_equal(loaded.forecast(frame()), expected, check_exact=True)
    return True


def flip(path, number):
    """Return the content of a file with a bit flipped."""
    content = bytearray(path.read_bytes())
    content[number // 8] ^= 1 << number % 8
    return bytes(content)


def check_flips(kept, count, seed):
    """Check that flipped bits are refused or make no difference, drawn over files by their size."""
    expected = drnn.load(kept).forecast(frame())
    files = [path for path in sorted(kept.rglob("*")) if path.is_file()]
    draw = random.Random(seed)
    for number in range(count):
        path = files[number % len(files)]
        whole = path.read_bytes()
        path.write_bytes(flip(path, draw.randrange(8 * len(whole))))
        is_unnoticed(kept, expected)
        path.write_bytes(whole)
    assert is_unnoticed(kept, expected)


def test_a_flipped_bit_is_refused_or_makes_no_difference(folder):
    check_flips(folder, 60, seed=0)


def test_a_flipped_bit_of_an_ensemble_is_refused_or_makes_no_difference(model, tmp_path):
    check_flips(Ensemble([model, network(1)]).save(tmp_path / "model"), 20, seed=1)


@pytest.mark.slow
def test_a_thousand_flipped_bits_are_refused_or_make_no_difference(model, tmp_path):
    check_flips(model.save(tmp_path / "one"), 1000, seed=2)
    check_flips(Ensemble([model, network(1)]).save(tmp_path / "two"), 300, seed=3)


def test_the_files_of_two_models_are_no_model(model, tmp_path):
    ours, theirs = model.save(tmp_path / "ours"), network(1).save(tmp_path / "theirs")
    (ours / WEIGHTS).write_bytes((theirs / WEIGHTS).read_bytes())
    with pytest.raises(ValueError, match=r"damaged or belongs to another model.*Copy the folder"):
        drnn.load(ours)


def test_the_member_of_another_ensemble_is_refused(model, tmp_path):
    ours = Ensemble([model, network(1)]).save(tmp_path / "ours")
    theirs = Ensemble([network(2), model]).save(tmp_path / "theirs")
    for name in (WEIGHTS, CONFIGURATION):
        (ours / "member-1" / name).write_bytes((theirs / "member-0" / name).read_bytes())
    with pytest.raises(ValueError, match="damaged or belongs to another model"):
        drnn.load(ours)


def test_other_files_are_tolerated_and_stay_when_a_model_is_replaced(folder):
    (folder / "README.md").write_text("mine")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("main")
    expected = network(1)
    expected.save(folder)

    pd.testing.assert_frame_equal(drnn.load(folder).forecast(frame()), expected.forecast(frame()))
    assert (folder / "README.md").read_text() == "mine"
    assert (folder / ".git" / "HEAD").read_text() == "main"
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_network_takes_the_place_of_an_ensemble_and_back(model, tmp_path):
    for saved in (Ensemble([model, network(1)]), model, Ensemble([model])):
        kept = saved.save(tmp_path / "model")
        assert type(drnn.load(kept)) is type(saved)
    names = ["README.md", "ensemble.json", "member-0"]
    assert sorted(path.name for path in kept.iterdir()) == names


def test_what_cannot_be_written_leaves_the_old_model(folder, monkeypatch, model):
    expected = drnn.load(folder).forecast(frame())

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        network(1).save(folder)
    pd.testing.assert_frame_equal(drnn.load(folder).forecast(frame()), expected)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        (".", ValueError, "must not be the working directory.*Name a folder inside it"),
        ("file", NotADirectoryError, "is a file; choose another name"),
        ("none/model", FileNotFoundError, "does not exist; make it first"),
    ],
)
def test_a_place_for_no_folder_is_refused(here, model, place, error, message):
    (here / "file").write_text("precious")
    with pytest.raises(error, match=message):
        model.save(place)
    assert [path.read_text() for path in here.iterdir()] == ["precious"]


def test_modes_of_files_stay_and_links_in_their_place_go(folder, model, tmp_path):
    (folder / CONFIGURATION).chmod(0o640)
    (folder / WEIGHTS).rename(tmp_path / "blob")
    (folder / WEIGHTS).symlink_to(tmp_path / "blob")
    folder.chmod(0o750)
    before = (tmp_path / "blob").read_bytes()
    network(1).save(folder)

    assert (folder / CONFIGURATION).stat().st_mode & 0o777 == 0o640
    assert folder.stat().st_mode & 0o777 == 0o750
    assert not (folder / WEIGHTS).is_symlink()
    assert (tmp_path / "blob").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blob", "model"]


def test_a_folder_that_is_read_while_it_is_replaced_gives_one_model_or_the_other(tmp_path):
    saved = [network(seed) for seed in (0, 1)]
    expected = [each.state_dict()["head.from_state.weight"] for each in saved]
    place = saved[0].save(tmp_path / "model")
    with ThreadPoolExecutor(1) as writer:
        writing = writer.submit(replace_often, saved, place)
        seen = set()
        while not writing.done():
            weight = drnn.load(place).state_dict()["head.from_state.weight"]
            seen |= {number for number in (0, 1) if torch.equal(weight, expected[number])}
            assert any(torch.equal(weight, each) for each in expected)
        writing.result()
    assert seen == {0, 1}


def replace_often(models, place):
    for number in range(1, 13):
        models[number % 2].save(place)
        time.sleep(0.15)


def test_a_link_to_a_folder_stays_a_link(model, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    model.save(tmp_path / "link")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / CONFIGURATION).is_file()


def test_a_name_of_many_bytes_is_no_hindrance(model, tmp_path):
    place = tmp_path / ("\N{SMILING FACE WITH HALO}" * 60)
    model.save(place)
    model.save(place)

    assert drnn.load(place).hparams.record == model.hparams.record
    assert [path.name for path in tmp_path.iterdir()] == [place.name]


KILLS = """
    import os, sys
    from pathlib import Path

    import torch

    from drnn_forecast.model.saving.folder import OWN
    from drnn_forecast.model.saving.swap import found, swapped, write_file

    NAMES = ["config.json", "model.safetensors"]
    place = Path(sys.argv[1]) / "model"

    def write(text):
        with swapped(place, OWN) as partial:
            for name in NAMES:
                write_file(partial / name, text)

    def dying(function, left):
        def called(*args, **kwargs):
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)
            return function(*args, **kwargs)
        return called

    for moment in range(1000):
        write(b"0")  # whatever the last kill left
        (place / "README.md").write_text("mine")
        child = os.fork()
        if not child:
            left = [moment]
            for name in ("fsync", "rename", "unlink", "rmdir", "mkdir", "chmod"):
                setattr(os, name, dying(getattr(os, name), left))
            write(str(moment + 1).encode())
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        read = {(found(place) / name).read_bytes() for name in NAMES}
        print(moment, code, *map(bytes.decode, read))
        if code == 0:
            break
    left = sorted(path.name for path in place.iterdir())
    print(left, [path.name for path in place.parent.iterdir() if path != place])
"""


def test_a_kill_at_any_moment_leaves_the_old_folder_or_the_new_one(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLS), tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    *moments, last = result.stdout.splitlines()
    texts = []
    for line in moments:
        moment, code, *read = line.split()
        assert read in (["0"], [str(int(moment) + 1)])
        texts += read
    assert (code, len(moments) > 8, len(set(texts)) > 2) == ("0", True, True)
    assert last == "['README.md', 'config.json', 'model.safetensors'] []"


def test_a_model_whose_replacement_was_cut_short_is_found(folder, model):
    away = folder.with_name(f".{folder.name}.0123456789ab.old")
    folder.rename(away)
    assert found(folder) == away
    pd.testing.assert_frame_equal(drnn.load(folder).forecast(frame()), model.forecast(frame()))


def paths_in(value, path=()):
    """Return the path of every value of a configuration."""
    entries = []
    if isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value[:2]))
    return [path, *(p for name, entry in entries for p in paths_in(entry, (*path, name)))]


def changed(content, path, value):
    """Return a configuration with another value at a path."""
    copied = json.loads(json.dumps(content))
    place = copied
    for name in path[:-1]:
        place = place[name]
    if value is DELETED:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return copied


DELETED = object()
VALUES = [None, DELETED, -1, 0, 2.5, True, "x", "", [], {}, 10**400, 10**12, 1e308, [1] * 10**5]
VALUES += [10**7, float("nan"), ["x"], {"__kind__": "array", "dtype": "V999999999", "entries": [1]}]
VALUES += [{"__kind__": "object", "class": "Popen", "state": {}}, "os.system", [[1]] * 2000]


def mutations(content, count, seed):
    """Return configurations with one value changed, drawn."""
    draw = random.Random(seed)
    paths = [path for path in paths_in(content) if path]
    drawn = (changed(content, draw.choice(paths), draw.choice(VALUES)) for _ in range(2 * count))
    return [mutated for mutated in drawn if mutated != content][:count]


def check_mutations(folder, count, seed):
    content = json.loads((folder / CONFIGURATION).read_text())
    errors = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for mutated in mutations(content, count, seed):
        (folder / CONFIGURATION).write_text(json.dumps(sealed(mutated)))
        try:
            drnn.load(folder)
        except ValueError as error:
            errors.append(str(error))
    assert len(errors) > count / 3
    assert max(map(len, errors)) < 1000
    assert not any("\n" in error for error in errors)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200_000  # kilobytes


@pytest.mark.filterwarnings("ignore:.* was written with :UserWarning")
def test_a_configuration_that_says_anything_under_its_own_digest_gives_one_error(folder):
    check_mutations(folder, 90, seed=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* was written with :UserWarning")
def test_a_thousand_configurations_that_say_anything_give_one_error(folder):
    check_mutations(folder, 1000, seed=1)


def test_a_changed_configuration_is_refused(folder):
    path = folder / CONFIGURATION
    content = json.loads(path.read_text())
    for mutated in mutations(content, 90, seed=2):
        path.write_text(json.dumps(mutated))
        with pytest.raises(ValueError, match=r"is damaged|no configuration|format version"):
            drnn.load(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden_size", 10**12),
        ("hidden_size", 200_000),
        ("hidden_size", [2, 10**7]),
        ("head_size", 10**7),
        ("dilations", [1] * 10**6),
        ("dilations", {"__kind__": "tuple", "entries": [1] * 999}),
        ("max_prediction_length", 10**7),
        ("linear_length", 10**7),
        ("num_series", 10**7),
        ("output_size", 10**6),
        ("input_kernel_size", 10**6),
        ("embedding_sizes", {"shop": [10**7, 10**7]}),
        ("dilations", [10**400]),
        ("embedding_sizes", {str(number): [1, 1] for number in range(20_000)}),
        ("x_reals", ["x"] * 200_000),
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", [1, 2])
def test_a_size_that_the_weights_do_not_have_is_refused_before_memory_is_taken(
    folder, name, value, version
):
    path = folder / CONFIGURATION
    content = json.loads(path.read_text())
    content["hyperparameters"][name] = value
    content["format_version"] = version
    path.write_text(json.dumps(sealed(content)))
    if version == 1:
        del content["digest"]
        path.write_text(json.dumps(content))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"damaged or do not belong together: .*Copy the folder"):
        drnn.load(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("logging_metrics", [{"class": "MAE", "arguments": {}}] * 100_000),
        ("loss", {"class": "MultiLoss", "parts": [{"class": "MAE", "arguments": {}}] * 10_000}),
        ("loss", {"class": "QuantileLoss", "arguments": {"quantiles": [0.5] * 100_000}}),
        ("loss", {"class": "ImplicitQuantileNetworkDistributionLoss", "arguments": {"hidden_size": 10**6}}),
        ("loss", {"class": "Popen", "arguments": {"args": "ls"}}),
        ("output_transformer", {"__kind__": "array", "dtype": "<U99999999", "entries": ["a"] * 999}),
        ("output_transformer", {"__kind__": "array", "dtype": "V99999999", "entries": ["a"] * 999}),
    ],
)  # fmt: skip
def test_a_part_that_no_model_has_is_refused_before_memory_is_taken(folder, name, value):
    reseal(folder / CONFIGURATION, **{name: value})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"damaged or do not belong together: .*Copy the folder"):
        drnn.load(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize(
    "content",
    ["", "[" * 100_000, "[]", "{}", "null", '{"format_version": 2}', '{"format_version": ' + "9" * 5000 + "}"],
    ids=["empty", "deep", "list", "no keys", "null", "a version", "a long number"],
)  # fmt: skip
def test_a_file_that_is_no_configuration_is_refused(folder, content):
    (folder / CONFIGURATION).write_text(content)
    with pytest.raises(ValueError, match=r"config\.json' (is|has)"):
        drnn.load(folder)


def test_another_major_version_is_a_warning_and_no_failure(folder, model):
    written = json.loads((folder / CONFIGURATION).read_text())["versions"]
    assert set(written) == {"drnn-forecast", "torch", "pytorch-forecasting", "lightning"}
    reseal(folder / CONFIGURATION, versions={**written, "torch": "99.1", "unknown": "1"})
    with pytest.warns(UserWarning, match=r"was written with torch 99\.1 \(here 2\..*may differ"):
        loaded = drnn.load(folder)
    pd.testing.assert_frame_equal(loaded.forecast(frame()), model.forecast(frame()))

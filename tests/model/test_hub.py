"""Models on the Hugging Face Hub: what is asked of it, and what its refusals become."""

import json
import logging
import shutil
import sys
from importlib import import_module
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest
import torch

import drnn_forecast as drnn
from drnn_forecast import DilatedRNNForecaster, Ensemble, ForecastData
from hubs import Hub

NAME = "org/shop-sales"
TOKEN = "hf_secretsecret"


def frame():
    days = pd.date_range("2024-01-01", periods=40, freq="D")
    values = [float(number % 7 + number / 10) for number in range(40)]
    return pd.DataFrame({"shop": "north", "day": days, "sold": values})


def network(seed=0):
    data = ForecastData.from_frame(frame(), time="day", target="sold", series="shop")
    training = data.split(horizon=2, context_length=14, validation_windows=1).training
    torch.manual_seed(seed)
    return DilatedRNNForecaster.from_dataset(training, hidden_size=2, num_layers=2).eval()


MAKERS = {
    "network": network,
    "ensemble": lambda: Ensemble([network(0), network(1)], average="median"),
}


@pytest.fixture(scope="module", params=MAKERS)
def model(request):
    return MAKERS[request.param]()


@pytest.fixture
def fake(monkeypatch, model, tmp_path):
    """Return what a fake client was asked for; it has one model."""
    asked, folder = [], model.save(tmp_path / "on the hub")
    client = ModuleType("huggingface_hub")

    def snapshot_download(name, **options):
        asked.append((name, options))
        return str(folder)

    client.snapshot_download = snapshot_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    return asked


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Return a Hub on this machine, to which the real client is turned."""
    pytest.importorskip("huggingface_hub", reason="needs the extra hub")
    constants = import_module("huggingface_hub.constants")
    made = Hub()
    url = made.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", made.address)
    download = import_module("huggingface_hub.file_download")
    for module in (constants, download):  # an early client has it in both
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", url, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    yield made
    made.shutdown()
    made.server_close()


def same_forecast(one, other):
    pd.testing.assert_frame_equal(one.forecast(frame()), other.forecast(frame()), check_exact=True)


def test_a_name_that_is_not_here_is_asked_of_the_hub_for_our_files_alone(fake, model, here):
    loaded = drnn.load(NAME, revision="v1", token=TOKEN)
    [(name, options)] = fake

    assert type(loaded) is type(model)
    same_forecast(loaded, model)
    same_forecast(type(model).from_pretrained(NAME), model)
    assert (name, options["revision"], options["token"]) == (NAME, "v1", TOKEN)
    assert all(part.endswith((".json", ".safetensors")) for part in options["allow_patterns"])


def test_what_is_here_comes_first(fake, model, here):
    (here / "org").mkdir()
    model.save(here / NAME)

    same_forecast(drnn.load(NAME), model)
    same_forecast(type(model).from_pretrained(NAME), model)
    assert fake == []
    with pytest.raises(ValueError, match=r"`revision` 'v1' is of a repository.* is here.*Leave"):
        drnn.load(NAME, revision="v1")


def test_a_damaged_download_is_refused_as_a_damaged_folder(fake, model, here, tmp_path):
    path = next((tmp_path / "on the hub").rglob("model.safetensors"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    with pytest.raises(ValueError, match="is damaged or belongs to another model"):
        drnn.load(NAME)


@pytest.mark.parametrize(
    "name", ["model", "./org/model", "a/b/c", "../model", "/org/model", "org/", "org/-x", "o/a..b"]
)
def test_only_owner_and_name_are_looked_for_on_the_hub(fake, here, name):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        drnn.load(name)
    assert fake == []


def test_a_path_is_not_looked_for_on_the_hub(fake, here):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        drnn.load(here / "org" / "model")
    assert fake == []


def test_without_the_extra_the_remedies_are_named(monkeypatch, model, here):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)

    with pytest.raises(FileNotFoundError, match=r"does not exist here.*drnn-forecast\[hub\].*Or"):
        drnn.load(NAME)
    with pytest.raises(ImportError, match=r"pip install 'drnn-forecast\[hub\]'"):
        model.push_to_hub(NAME)


@pytest.mark.parametrize("name", ["model", "a/b/c", "", "org/my model", "https://x.org/a/b", None])
def test_a_name_without_an_owner_is_refused_before_anything_is_sent(model, name):
    with pytest.raises(ValueError, match="`name` must be 'owner/name'"):
        model.push_to_hub(name)


@pytest.mark.parametrize("token", [f"{TOKEN}\n", f"{TOKEN} ", "", "hf_\u00e9", 5])
def test_a_token_is_refused_without_being_shown(fake, here, model, token):
    for call in (drnn.load, model.push_to_hub):
        with pytest.raises(ValueError, match="`token` must be one word") as refused:
            call(NAME, token=token)
        assert "secret" not in str(refused.value)
    assert fake == []


def test_a_model_that_was_sent_is_read_again(hub, model, here, caplog):
    caplog.set_level(logging.DEBUG)
    address = model.push_to_hub(NAME, token=TOKEN)

    assert address.startswith(f"{hub.address}/{NAME}/commit/")
    loaded = drnn.load(NAME, token=TOKEN)
    same_forecast(loaded, model)
    same_forecast(type(model).from_pretrained(NAME), model)  # in the cache
    assert {secret for _, _, secret in hub.asked} == {f"Bearer {TOKEN}", None}
    assert TOKEN not in caplog.text
    assert list(here.rglob("*.bin")) == []


def test_a_page_on_the_hub_begins_with_what_it_sorts_by(hub, model):
    model.push_to_hub(NAME)

    page = hub.repositories[NAME]["main"]["README.md"].decode()
    assert page.startswith("---\nlibrary_name: drnn_forecast\n")
    assert page.endswith(model.card())


def test_files_of_an_earlier_model_go_and_others_stay(hub, here):
    single, several = MAKERS["network"](), MAKERS["ensemble"]()
    several.push_to_hub(NAME)
    files = hub.repositories[NAME]["main"]
    files |= {"README.md": b"# By hand", "notes.txt": b"", "run.py": b"raise SystemExit"}
    single.push_to_hub(NAME)

    assert set(files) == {"README.md", "notes.txt", "run.py", "config.json", "model.safetensors"}
    assert files["README.md"] == b"# By hand"
    same_forecast(drnn.load(NAME), single)
    fetched = {path.name for path in here.rglob("*") if path.is_symlink() or path.is_file()}
    assert not fetched & {"notes.txt", "run.py"}


def test_a_revision_is_a_branch_of_its_own(hub, here):
    one, other = network(0), network(1)
    one.push_to_hub(NAME)
    other.push_to_hub(NAME, revision="spring")

    same_forecast(drnn.load(NAME), one)
    same_forecast(drnn.load(NAME, revision="spring"), other)
    with pytest.raises(FileNotFoundError, match=r"no `revision` 'autumn' in the repo.*branches"):
        drnn.load(NAME, revision="autumn")


def test_no_deeper_file_is_fetched(hub, here, model):
    model.push_to_hub(NAME)
    hub.repositories[NAME]["main"]["member-0/deep/config.json"] = b"{}"
    drnn.load(NAME)

    assert not [path for _, path, _ in hub.asked if "deep" in path]


@pytest.mark.parametrize(
    ("refusal", "kind", "match"),
    [
        (None, FileNotFoundError, "no folder 'org/shop-sales' here.*Correct the name.*token"),
        ((403, "GatedRepo", ""), PermissionError, "has to be asked for.*huggingface.co/org/shop"),
        ((401, "", "Invalid token"), (FileNotFoundError, PermissionError), "hf auth login"),
        ((403, "", "No write role"), PermissionError, "refused: .*No write role.*token"),
        ((500, "", "Down"), ConnectionError, "not fetched before.*Connect"),
    ],
)
def test_a_refusal_of_the_hub_is_one_sentence_with_a_remedy(hub, here, refusal, kind, match):
    if refusal:
        hub.refusals[NAME] = refusal
    with pytest.raises(kind, match=match):
        drnn.load(NAME)


def test_a_model_is_not_sent_without_the_right_to_write(hub, here):
    hub.refusals[NAME] = (403, "", "You may not write here")
    with pytest.raises(PermissionError, match=r"refused: .*may not write here.*hf auth login"):
        network().push_to_hub(NAME, token=TOKEN)


def test_without_a_network_a_fetched_model_is_read_and_another_is_not(hub, here, monkeypatch):
    model = network()
    model.push_to_hub(NAME)
    drnn.load(NAME)
    hub.shutdown()
    hub.server_close()

    same_forecast(drnn.load(NAME), model)
    with pytest.raises(ConnectionError, match=r"was not fetched before.*Connect to the network"):
        drnn.load("org/other")
    with pytest.raises(ConnectionError, match=r"Could not reach"):
        model.push_to_hub(NAME)


def test_a_repository_without_a_model_is_told_from_one_that_is_not_there(hub, here):
    hub.repositories[NAME] = {"main": {"README.md": b"", "pytorch_model.bin": b""}}
    with pytest.raises(FileNotFoundError, match=r"holds no model of this package.*push_to_hub"):
        drnn.load(NAME)


def test_a_model_of_another_package_is_none_of_ours(hub, here):
    hub.repositories[NAME] = {"main": {"config.json": json.dumps({"model_type": "t5"}).encode()}}
    with pytest.raises(ValueError, match="is no configuration of a model"):
        drnn.load(NAME)


def test_our_own_folder_is_what_is_sent(model, monkeypatch, tmp_path):
    """What a fake client is given to send is what `save` writes."""
    sent = {}

    class HfApi:
        def __init__(self, **options):
            sent["token"] = options["token"]

        def create_repo(self, name, *, private, exist_ok):
            sent["private"] = private

        def file_exists(self, name, path, *, revision):
            return False

        def upload_folder(self, *, folder_path, **options):
            shutil.copytree(folder_path, tmp_path / "sent")
            return SimpleNamespace(commit_url="https://huggingface.co/org/shop-sales/commit/1")

    client = ModuleType("huggingface_hub")
    client.HfApi = HfApi
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    address = model.push_to_hub(NAME, private=True, token=TOKEN)

    same_forecast(drnn.load(tmp_path / "sent"), model)
    assert address.endswith("/commit/1")
    assert sent == {"token": TOKEN, "private": True}

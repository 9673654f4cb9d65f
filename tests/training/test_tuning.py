import logging
import time
import warnings
from dataclasses import replace

import matplotlib
import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping
from matplotlib import pyplot
from optuna.pruners import BasePruner, MedianPruner, ThresholdPruner
from optuna.storages import InMemoryStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import TrialState
from pytorch_forecasting.metrics import QuantileLoss

import drnn_forecast
from drnn_forecast import BatchedTimeSeriesDataSet, DilatedRNNForecaster, ForecastData, tune
from drnn_forecast.model import Recipe, facts_of
from drnn_forecast.training.tuning.space import Range, SearchSpace
from series import make_dataset, planted_frame

QUICK = {"max_epochs": 2, "steps_per_epoch": 2, "progress": False}
SPACE = SearchSpace(
    hidden_size=Range(3, 6),
    cell_type="GRU",
    batch_size=16,
    dilation_base=(2, 3),
    start_exponent=Range(0, 1),
)
SMALL = {**QUICK, "search_space": SPACE}


def make_datasets(dataset_class):
    frame = planted_frame(num_series=2, noise=0.1)
    upstream = make_dataset(frame[frame.time_idx < 160], max_encoder_length=30)
    training = dataset_class.from_parameters(upstream.get_parameters(), frame[frame.time_idx < 160])
    return training, dataset_class.from_dataset(training, frame, min_prediction_idx=176)


@pytest.fixture(scope="module")
def datasets():
    return make_datasets(BatchedTimeSeriesDataSet)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tuning")


@pytest.fixture(scope="module")
def result(datasets, folder):
    return tune(datasets, n_trials=6, folder=folder, keep_checkpoints=2, **SMALL)


@pytest.fixture(scope="module")
def front_result(datasets, tmp_path_factory):
    options = {**SMALL, "objectives": ("validation_loss", "parameters")}
    return tune(datasets, n_trials=5, folder=tmp_path_factory.mktemp("front"), **options)


class Count(Callback):
    """Counts training runs, and does something in the middle of chosen ones."""

    def __init__(self, acts=None):
        self.acts = acts or {}
        self.runs = 0

    def on_train_start(self, trainer, model):
        self.runs += 1

    def on_train_batch_start(self, trainer, model, batch, batch_idx):
        if self.runs in self.acts and trainer.global_step == 1:
            self.acts[self.runs](model)


def raised(error):
    def act(model):
        raise error

    return act


def test_a_search_ends_with_the_trials_that_were_asked_for(result):
    assert result.stopped_by == "n_trials"
    assert result.table["state"].isin(["complete", "pruned"]).sum() == 6
    assert len(result.study.trials) == len(result.table)


def test_a_search_begins_with_the_schedule_that_remembers_best(result):
    assert result.study.trials[0].user_attrs["configuration"]["dilations"] == [1, 3, 9]


def test_the_best_value_is_the_lowest_loss_of_the_table(result):
    complete = result.table[result.table["state"] == "complete"]

    assert result.best_value == complete["validation_loss"].min()
    assert result.best_trial.number == complete["validation_loss"].idxmin()


def test_the_best_model_comes_back_with_the_best_value(result, datasets):
    model = result.best_model()
    x, y = next(iter(datasets[1].to_dataloader(train=False, batch_size=1000, num_workers=0)))

    with torch.no_grad():
        loss = model.loss(model(x)["prediction"], (y[0], 1 / model.usual_error(x)))
    assert result.best_value == pytest.approx(loss.item(), rel=1e-5)
    assert not model.training


def test_the_best_parameters_make_the_best_model_again(result, datasets):
    options = dict(result.best_params)
    assert options.pop("batch_size") == 16
    model = DilatedRNNForecaster.from_dataset(datasets[0], **options)

    shapes = {name: value.shape for name, value in model.state_dict().items()}
    best = {name: value.shape for name, value in result.best_model().state_dict().items()}
    assert shapes == best
    assert model.hparams.dilations == tuple(result.table["dilations"][result.best_trial.number])


def test_only_the_best_checkpoints_are_kept(result, folder):
    best = result.table.query("state == 'complete'")["validation_loss"].nsmallest(2).index
    expected = {f"trial-{number:04}" for number in best}

    assert {path.name for path in (folder / "checkpoints" / "drnn_forecast").iterdir()} == expected
    assert set(result.table["checkpoint"].dropna().map(lambda path: path.name)) == expected


def test_every_trial_says_its_layers_and_dilations(result):
    for trial in result.study.trials:
        dilations = trial.user_attrs["dilations"]
        assert trial.user_attrs["num_layers"] == len(dilations)
        assert max(dilations) < trial.user_attrs["configuration"]["context_length"]


def test_the_space_is_stored_with_the_study(result):
    stored = result.study.user_attrs["setup"]["search_space"]
    assert stored["hidden_size"] == {"low": 3, "high": 6, "log": False}
    assert stored["context_length"] == [15, 30]


def test_the_same_call_again_adds_nothing_and_a_larger_one_goes_on(datasets, tmp_path):
    options = {**SMALL, "folder": tmp_path}
    first = tune(datasets, n_trials=2, **options).table
    counter = Count()
    again = tune(datasets, n_trials=2, callbacks=[counter], **options)
    assert counter.runs == 0
    pd.testing.assert_frame_equal(again.table, first)

    more = tune(datasets, n_trials=3, **options)
    pd.testing.assert_frame_equal(more.table.iloc[:2].drop(columns="checkpoint"), first.drop(columns="checkpoint"), check_dtype=False)  # fmt: skip
    assert len(more.table) == 3


def test_one_seed_draws_and_trains_the_same_again_whatever_calls_it_takes(datasets, tmp_path):
    once = tune(datasets, n_trials=3, folder=tmp_path / "a", **SMALL)
    for n_trials in (1, 3):
        twice = tune(datasets, n_trials=n_trials, folder=tmp_path / "b", **SMALL)

    columns = ["validation_loss", "dilations", "hidden_size", "learning_rate"]
    pd.testing.assert_frame_equal(once.table[columns], twice.table[columns])
    other = tune(datasets, n_trials=3, folder=tmp_path / "c", seeds=(1,), **SMALL)
    # The first trial has the recipe's rate under every seed.
    rate = Recipe.of(facts_of(datasets[0])).learning_rate
    assert once.table["learning_rate"][0] == other.table["learning_rate"][0] == rate
    assert (other.table["learning_rate"] != once.table["learning_rate"])[1:].all()


def test_the_random_state_of_the_caller_is_left_as_it_was(datasets, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    failing = Count({1: raised(ValueError("broken"))})
    tune(
        datasets,
        n_trials=1,
        folder=tmp_path,
        storage=InMemoryStorage(),
        callbacks=[failing],
        **SMALL,
    )

    assert torch.rand(1) == expected


def test_a_configuration_with_several_seeds_has_their_mean_and_the_best_one_s_model(
    datasets, tmp_path
):
    fixed = {"learning_rate": 1e-2, "hidden_size": 4, "dropout": 0.0, "dilations": (1, 4)}
    fixed |= {"context_length": 30}
    values = {}
    for seeds in [(0,), (1,), (0, 1)]:
        found = tune(datasets, n_trials=1, folder=tmp_path / str(seeds), storage=InMemoryStorage(), fixed=fixed, seeds=seeds, **SMALL)  # fmt: skip
        values[seeds] = found.best_value
    best_seed = min([(0,), (1,)], key=values.get)
    best = tune(datasets, n_trials=1, folder=tmp_path / f"best {best_seed}", storage=InMemoryStorage(), fixed=fixed, seeds=best_seed, **SMALL)  # fmt: skip

    assert values[0, 1] == pytest.approx((values[0,] + values[1,]) / 2)
    torch.testing.assert_close(found.best_model().state_dict(), best.best_model().state_dict())
    assert len(list(found.best_checkpoint.parent.iterdir())) == 1


def test_a_duplicate_takes_the_stored_value_and_does_not_count(datasets, tmp_path):
    space = SearchSpace(
        hidden_size=(3, 4), cell_type="GRU", batch_size=16, dilation_base=2, start_exponent=0,
        layers_below_longest=0, dropout=0.0, learning_rate=1e-2, context_length=30,
    )  # fmt: skip
    counter = Count()
    options = {
        **QUICK,
        "folder": tmp_path,
        "storage": InMemoryStorage(),
        "search_space": space,
        "callbacks": [counter],
    }
    found = tune(datasets, n_trials=3, **options)

    assert found.stopped_by == "duplicates"
    assert counter.runs == 2
    table = found.table
    new = table[table["duplicate_of"].isna()]
    twins = table[table["duplicate_of"].notna()]
    assert sorted(new["hidden_size"]) == [3, 4]
    np.testing.assert_array_equal(
        twins["validation_loss"], table["validation_loss"].loc[twins["duplicate_of"].astype(int)]
    )


class WorseAfterFirst(Callback):
    """Spoils the weights after the first validation, so that the first is the best."""

    def on_train_epoch_start(self, trainer, model):
        if trainer.current_epoch == 1:
            with torch.no_grad():
                model.head.output[-1].bias.fill_(100.0)


def test_the_best_value_seen_in_a_trial_is_what_counts(datasets, tmp_path):
    options = {**SMALL, "fixed": {"learning_rate": 1e-6}, "callbacks": [WorseAfterFirst()]}
    found = tune(datasets, n_trials=1, folder=tmp_path, storage=InMemoryStorage(), **options)
    reported = found.best_trial.intermediate_values

    assert reported == {0: found.best_value, 1: found.best_value}
    assert found.best_model().head.output[-1].bias.abs().max() < 10


class PruneAfterFirst(BasePruner):
    """Ends every trial but the first after one validation."""

    def prune(self, study, trial):
        return trial.number > 0


@pytest.mark.parametrize("where", ["callbacks", "trainer_kwargs"])
def test_pruning_works_beside_the_callbacks_of_the_user(datasets, tmp_path, where):
    counter = Count()
    given = {"callbacks": [counter]}
    options = {**SMALL, **(given if where == "callbacks" else {"trainer_kwargs": given})}
    found = tune(
        datasets,
        n_trials=3,
        folder=tmp_path,
        storage=InMemoryStorage(),
        pruner=PruneAfterFirst(),
        **options,
    )

    assert found.table["state"].tolist() == ["complete", "pruned", "pruned"]
    assert found.table["epochs"].tolist() == [2, 1, 1]
    assert found.table["validation_loss"].notna().all()
    assert counter.runs == 3
    assert found.best_trial.number == 0


def test_a_callback_begins_every_run_with_the_state_it_had(datasets, tmp_path):
    stopper = EarlyStopping("val_loss", patience=1)
    options = {**SMALL, "max_epochs": 4, "fixed": {"learning_rate": 1e-12}}
    found = tune(
        datasets,
        n_trials=2,
        folder=tmp_path,
        storage=InMemoryStorage(),
        callbacks=[stopper],
        **options,
    )

    # With a loss that stays, patience ends each run; a state left over would end the second at once.
    assert len(set(found.table["epochs"])) == 1
    assert found.table["epochs"].iloc[0] < 4


@pytest.mark.filterwarnings("ignore:Loss is not finite:UserWarning")
def test_a_failed_trial_is_recorded_with_its_reason_and_the_study_goes_on(
    datasets, tmp_path, caplog
):
    def spoil(model):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(torch.nan)

    acts = {1: raised(torch.OutOfMemoryError("out of memory")), 2: spoil}
    with caplog.at_level(logging.WARNING, "drnn_forecast.training"):
        found = tune(
            datasets,
            n_trials=2,
            folder=tmp_path,
            storage=InMemoryStorage(),
            callbacks=[Count(acts)],
            **SMALL,
        )

    table = found.table
    assert table["state"].tolist() == ["failed", "failed", "complete", "complete"]
    assert table["reason"][0] == "OutOfMemoryError: out of memory"
    assert table["reason"][1].startswith("RuntimeError: Training never reached a finite")
    assert "Trial 0 failed: OutOfMemoryError" in caplog.text
    assert len(list((tmp_path / "checkpoints" / "drnn_forecast").iterdir())) == 2


def test_a_search_in_which_everything_fails_ends_with_the_reason(datasets, tmp_path):
    broken = Count(dict.fromkeys(range(1, 20), raised(ValueError("no such thing"))))
    with pytest.raises(RuntimeError, match=r"first 10 trials failed.*ValueError: no such thing"):
        tune(
            datasets,
            n_trials=2,
            folder=tmp_path,
            storage=InMemoryStorage(),
            callbacks=[broken],
            **SMALL,
        )
    assert broken.runs == 10


def test_ctrl_c_gives_what_there_is_and_the_same_call_goes_on(datasets, tmp_path, control_c):
    press = Count({2: lambda model: control_c()})
    stopped = tune(datasets, n_trials=3, folder=tmp_path, callbacks=[press], **SMALL)

    assert stopped.stopped_by == "interrupt"
    assert stopped.table["state"].tolist() == ["complete", "failed"]
    assert stopped.table["reason"][1] == "stopped by the user"
    assert isinstance(stopped.best_model(), DilatedRNNForecaster)

    resumed = tune(datasets, n_trials=3, folder=tmp_path, **SMALL)
    assert resumed.table["state"].tolist() == ["complete", "failed", "complete", "complete"]


def test_ctrl_c_between_the_begin_of_a_trial_and_its_first_line_leaves_none_running(
    datasets, tmp_path, control_c, monkeypatch
):
    ask = optuna.Study.ask

    def ask_and_press(study, *args, **options):
        trial = ask(study, *args, **options)
        if trial.number == 1:
            control_c()
        return trial

    monkeypatch.setattr(optuna.Study, "ask", ask_and_press)
    stopped = tune(datasets, n_trials=3, folder=tmp_path, **SMALL)

    assert stopped.stopped_by == "interrupt"
    assert stopped.table["state"].tolist() == ["complete", "failed"]


def test_a_result_without_a_complete_trial_says_so(datasets, tmp_path, control_c):
    press = Count({1: lambda model: control_c()})
    stopped = tune(
        datasets,
        n_trials=3,
        folder=tmp_path,
        storage=InMemoryStorage(),
        callbacks=[press],
        **SMALL,
    )

    with pytest.raises(RuntimeError, match=r"No trial .* is complete; `table` says"):
        _ = stopped.best_params
    assert len(stopped.table) == 1


def test_time_ends_a_search(datasets, tmp_path):
    found = tune(datasets, max_seconds=0.01, folder=tmp_path, storage=InMemoryStorage(), **SMALL)
    assert found.stopped_by == "max_seconds"
    assert len(found.table) <= 1


def test_a_running_trial_is_given_what_remains_of_the_time_and_is_no_twin(datasets, tmp_path):
    long = {**SMALL, "max_epochs": 10_000, "patience": 10_000, "folder": tmp_path}
    started = time.monotonic()
    found = tune(datasets, max_seconds=1.5, **long)

    assert time.monotonic() - started < 10
    assert found.stopped_by == "max_seconds"
    assert found.table["state"].tolist() == ["complete"]
    assert found.best_trial.user_attrs["is_cut"]
    again = tune(datasets, max_seconds=1.5, **long)
    assert again.table["duplicate_of"].isna().all()
    assert len(again.table) == 2


@pytest.mark.parametrize("count", [1, 2])
def test_a_frame_with_roles_gives_a_model_that_forecasts_frames(tmp_path, count):
    frame = planted_frame(num_series=count)
    frame["time"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame["time_idx"], unit="h")
    data = ForecastData.from_frame(frame, series="name", time="time", target="target")
    found = tune(
        data,
        12,
        context_length=30,
        validation_windows=2,
        n_trials=1,
        folder=tmp_path,
        **SMALL,
    )

    assert len(found.best_model().forecast(frame)) == 12 * count
    assert found.study.user_attrs["setup"]["datasets"][2] == 2 * count


def test_windows_that_are_not_asked_for_are_the_recipe_s(tmp_path):
    frame = planted_frame(num_series=2, length=360)
    frame["time"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame["time_idx"], unit="h")
    data = ForecastData.from_frame(frame, series="name", time="time", target="target")
    found = tune(data, 12, n_trials=1, folder=tmp_path, storage=InMemoryStorage(), **SMALL)

    setup, wanted = found.study.user_attrs["setup"], Recipe.of(data.facts(12)).shared
    variables, _, windows = setup["datasets"]
    assert variables["max_encoder_length"] == wanted["context_length"]
    assert setup["search_space"]["context_length"][-1] == wanted["context_length"]
    assert windows == 2 * wanted["validation_windows"]


@pytest.mark.parametrize(
    ("arguments", "options", "name"),
    [((12,), {}, "horizon"), ((), {"context_length": 3}, "context_length")],
)
def test_datasets_have_their_windows_already(datasets, arguments, options, name):
    with pytest.raises(TypeError, match=f"`{name}` is for a ForecastData; a pair of datasets"):
        tune(datasets, *arguments, n_trials=1, **options)


def test_a_trial_that_others_took_for_dead_is_given_up(datasets, tmp_path, caplog):
    def declare_dead(model):
        other = optuna.load_study(study_name="drnn_forecast", storage=storage)
        other.tell(0, state=TrialState.FAIL)

    storage = f"sqlite:///{tmp_path / 'study.db'}"
    counter = Count({1: declare_dead})
    found = tune(datasets, n_trials=1, folder=tmp_path, callbacks=[counter], **SMALL)

    assert found.table["state"].tolist() == ["failed", "complete"]
    assert "Trial 0 was given up" in caplog.text


def test_the_front_holds_what_nothing_beats_in_both(front_result):
    table = front_result.table[front_result.table["state"] == "complete"]
    pairs = list(zip(table["validation_loss"], table["parameters"], table.index, strict=True))
    expected = {
        number
        for loss, size, number in pairs
        if not any((a <= loss and b <= size and (a, b) != (loss, size)) for a, b, _ in pairs)
    }

    assert set(front_result.front.index) == expected
    assert front_result.front["validation_loss"].is_monotonic_increasing
    assert front_result.best_value == table["validation_loss"].min()
    assert {path.name for path in front_result.best_checkpoint.parent.iterdir()} == {
        f"trial-{number:04}" for number in expected
    }


def test_training_seconds_can_be_the_second_objective(datasets, tmp_path):
    options = {**SMALL, "objectives": ("validation_loss", "training_seconds")}
    found = tune(datasets, n_trials=2, folder=tmp_path, storage=InMemoryStorage(), **options)

    assert (found.table["training_seconds"] > 0).all()
    _, seconds = found.best_trial.values  # noqa: PD011
    assert seconds == found.table["training_seconds"][found.best_trial.number]


def test_the_figures_are_those_that_the_study_can_give(result, front_result, tmp_path):
    assert set(result.plots) == {"history", "parallel", "slice", "importances", "pruning"}
    assert set(front_result.plots) == {"history", "parallel", "slice", "importances", "pareto"}
    paths = front_result.save_plots(tmp_path / "plots")
    assert {path.name for path in paths} == {f"{name}.png" for name in front_result.plots}
    assert all(path.stat().st_size > 5_000 for path in paths)


def test_figures_leave_the_style_and_the_open_figures_of_the_user_alone(result):
    before = dict(matplotlib.rcParams), pyplot.get_fignums()
    assert result.plots
    assert (dict(matplotlib.rcParams), pyplot.get_fignums()) == before


def test_the_slice_has_the_resolved_architecture(result):
    axes = result.plots["slice"].axes[:3]

    assert [axis.get_xlabel() for axis in axes] == ["dilation_base", "num_layers", "start_exponent"]
    complete = result.table[result.table["state"] == "complete"]
    drawn = axes[1].collections[0].get_offsets()
    np.testing.assert_allclose(drawn[:, 0], complete["num_layers"])
    np.testing.assert_allclose(drawn[:, 1], complete["validation_loss"])


def test_a_journal_is_accepted(datasets, tmp_path):
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
    found = tune(datasets, n_trials=2, storage=storage, folder=tmp_path, **SMALL)

    assert found.table["state"].tolist() == ["complete", "complete"]
    assert {path.name for path in tmp_path.iterdir()} == {"journal.log", "checkpoints"}


def test_datasets_of_pytorch_forecasting_will_do(tmp_path):
    datasets = make_datasets(type(make_dataset()))
    found = tune(datasets, n_trials=1, folder=tmp_path, storage=InMemoryStorage(), **SMALL)
    assert found.table["state"].tolist() == ["complete"]


def test_no_small_talk_reaches_the_user(datasets, tmp_path, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tune(datasets, n_trials=1, folder=tmp_path, storage=InMemoryStorage(), **SMALL)
    assert capfd.readouterr() == ("", "")


def test_progress_shows_the_best_value_so_far(datasets, tmp_path, capfd):
    found = tune(
        datasets,
        n_trials=1,
        folder=tmp_path,
        storage=InMemoryStorage(),
        **{**SMALL, "progress": True},
    )
    assert f"best {found.best_value:.6g} (trial 0)" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "`n_trials` or `max_seconds` must be given"),
        ({"n_trials": 0}, ValueError, "`n_trials` must be at least 1, got 0"),
        ({"max_seconds": 0}, ValueError, "`max_seconds` must be above 0, got 0"),
        ({"n_trials": 1, "seeds": ()}, ValueError, "`seeds` must hold at least one seed"),
        ({"n_trials": 1, "seeds": (1, 1)}, ValueError, r"`seeds` .* each once, got \(1, 1\)"),
        ({"n_trials": 1, "seeds": 3}, TypeError, "`seeds` must be a list of whole numbers, got 3"),
        ({"n_trials": 1, "max_epochs": 0}, ValueError, "`max_epochs` must be at least 1"),
        ({"n_trials": 1, "patience": 0}, ValueError, "`patience` must be at least 1"),
        ({"n_trials": 1, "steps_per_epoch": 0}, ValueError, "`steps_per_epoch` must be at least 1"),
        ({"n_trials": 1, "keep_checkpoints": 0}, ValueError, "`keep_checkpoints` must be at least"),
        ({"n_trials": 1, "heartbeat_seconds": 0}, ValueError, "`heartbeat_seconds` must be at"),
        ({"n_trials": 1, "objectives": ("speed",)}, ValueError, r"`objectives` must be .*got \('sp"),
        ({"n_trials": 1, "fixed": {"hiden_size": 3}}, ValueError, r"`fixed` must name .*'hiden_size' \(did you mean 'hidden_size'\?\)"),
        ({"n_trials": 1, "fixed": {"hidden_size": [3, 4]}}, ValueError, "`fixed` must give 'hidden_size' one value"),
        ({"n_trials": 1, "fixed": {"head_size": 0}}, ValueError, "`head_size` must be at least 1, got 0"),
        ({"n_trials": 1, "search_space": SearchSpace(dilations=((1, 30),))}, ValueError, r"`search_space.dilations` must stay below the 30"),
        ({"n_trials": 1, "objectives": ("validation_loss", "parameters"), "pruner": MedianPruner()}, ValueError, "`pruner` must be None with two objectives"),
        ({"n_trials": 1, "storage": "my study"}, ValueError, "`storage` must be a URL"),
        ({"n_trials": 1, "storage": "nodb://x"}, ImportError, "needs a database driver"),
        ({"n_trials": 1, "storage": "postgresql://u:secret@127.0.0.1:1/x"}, ConnectionError, "a postgresql database, does not answer: Connection refused"),
        ({"n_trials": 1, "storage": "sqlite:////no/such/folder/study.db"}, ConnectionError, "does not answer: unable to open database file"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_before_any_training(
    datasets, tmp_path, monkeypatch, options, error, message
):
    monkeypatch.chdir(tmp_path)
    counter = Count()
    with pytest.raises(error, match=message):
        tune(datasets, **{**SMALL, "callbacks": [counter], **options})
    assert counter.runs == 0
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search_space": SearchSpace()}, r"another `search_space`: \{.*'hidden_size': .*not"),
        ({"objectives": ("validation_loss", "parameters")}, "in this storage with other directions: minimize"),
        ({"max_epochs": 7}, "another `budget`"),
        ({"fixed": {"season_length": 24}}, r"another `fixed`: \{'season_length': None\}, not \{'season_length': 24\}"),
    ],
)  # fmt: skip
def test_a_study_of_another_setup_is_not_resumed(result, datasets, folder, options, message):
    with pytest.raises(ValueError, match=f"`study_name` 'drnn_forecast' exists .*{message}"):
        tune(datasets, n_trials=9, folder=folder, **{**SMALL, **options})


def shifted(**options):
    """Return datasets of the same variables and lengths, whose target differs in one value."""
    pair = make_datasets(BatchedTimeSeriesDataSet)
    for dataset in pair:
        dataset.data["target"][0][0] += 1e-3
    return pair


@pytest.mark.parametrize(
    ("changed", "data", "message"),
    [
        ({"fixed": {"loss": QuantileLoss([0.1, 0.5, 0.9])}}, None, r"another `fixed`: \{'loss': .*"),
        ({"trainer_kwargs": {"gradient_clip_val": 0.1}}, None, "another `trainer_kwargs`: "),
        ({}, shifted, "another `data`: "),
    ],
)  # fmt: skip
def test_a_study_of_the_same_shape_with_other_values_is_not_resumed(
    datasets, tmp_path, changed, data, message
):
    options = {"storage": InMemoryStorage(), "folder": tmp_path, **SMALL}
    options["fixed"] = {"loss": QuantileLoss([0.05, 0.5, 0.95])}
    tune(datasets, n_trials=1, **options)
    tune(datasets, n_trials=1, **options)  # the same again is the same study
    with pytest.raises(ValueError, match=f"exists in this storage with {message}"):
        tune(data() if data else datasets, n_trials=2, **{**options, **changed})


def test_a_study_without_a_record_of_its_data_is_not_resumed(datasets, tmp_path):
    storage = InMemoryStorage()
    study = tune(datasets, n_trials=1, storage=storage, folder=tmp_path, **SMALL).study
    setup = {name: part for name, part in study.user_attrs["setup"].items() if name != "data"}
    study.set_user_attr("setup", setup)
    with pytest.raises(ValueError, match="another `data`, of which it has no record"):
        tune(datasets, n_trials=2, storage=storage, folder=tmp_path, **SMALL)


def test_a_study_that_is_not_ours_is_left_alone(datasets, tmp_path):
    storage = f"sqlite:///{tmp_path / 'mine.db'}"
    optuna.create_study(storage=storage, study_name="mine").optimize(lambda trial: 1.0, n_trials=1)
    with pytest.raises(
        ValueError, match="'mine' exists in this storage but was not made by `tune`"
    ):
        tune(datasets, n_trials=1, storage=storage, study_name="mine", folder=tmp_path, **SMALL)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"time_varying_known_reals": ["other"]}, "same variables and lengths, got reals"),
        ({"max_prediction_length": 6}, "got max_prediction_length: 12 and 6"),
    ],
)
def test_datasets_that_differ_are_refused(datasets, tmp_path, changed, message):
    other = make_dataset(max_encoder_length=30, **changed) if "max" not in next(iter(changed)) else make_dataset(**{"max_encoder_length": 30, **changed})  # fmt: skip
    with pytest.raises(ValueError, match=message):
        tune((datasets[0], other), n_trials=1, folder=tmp_path, **SMALL)


def test_what_is_no_dataset_is_refused(datasets, tmp_path):
    with pytest.raises(
        TypeError, match=r"`data` must be .* got BatchedTimeSeriesDataSet, DataFrame"
    ):
        tune((datasets[0], planted_frame()), n_trials=1, folder=tmp_path, **SMALL)


def test_without_optuna_the_install_command_is_named(datasets, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install 'drnn-forecast\[tune\]'"):
        tune(datasets, n_trials=1)


def test_a_checkpoint_of_another_machine_is_named(result, tmp_path):
    elsewhere = replace(result, checkpoints=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"trial-\d+' is not on this machine; worker"):
        elsewhere.best_model()


def test_a_threshold_of_the_user_prunes(datasets, tmp_path):
    pruner = ThresholdPruner(upper=-1.0)
    found = tune(
        datasets, n_trials=2, folder=tmp_path, storage=InMemoryStorage(), pruner=pruner, **SMALL
    )
    assert found.table["state"].tolist() == ["pruned", "pruned"]
    assert drnn_forecast.tune is tune

"""Cases: the other commands, and where all of them write."""

import os
import pickle

from corpus.case import CSV, FIT, ROLES, SHORT, TABLE, WINDOWS, Case, written

COMPARE = [*ROLES, *WINDOWS, *SHORT, "--batch_size", "16", "--seeds", "[0]", "--report", "false"]
LSTM = [*COMPARE, "--models", "[lstm]", "--learning_rates", "[0.003]"]
NAIVE = [*COMPARE, "--models", "[seasonal_naive]"]
TUNE = ["tune", "data.csv", *ROLES, *WINDOWS, *SHORT]
ONE = [*TUNE, "--n_trials", "1"]
BIG = "1" + "0" * 399


def with_model(content=CSV, change=None):
    """Return what writes a table beside a model, and changes the latter."""

    def make(folder):
        written(content)(folder)
        if change is not None:
            change(folder / "model")

    return make


def prediction_cases():
    """Yield cases of `predict`."""
    daily = TABLE.assign(ds=TABLE.ds.dt.strftime("2024-01-01"))
    for name, content, args, status, says in [
        ("plain", CSV, [], 0, ""),
        ("another suffix", CSV, ["--out", "out.txt"], 2, "`out` must be named"),
        ("no such folder", CSV, ["--out", "no/out.csv"], 2, "does not exist"),
        ("onto the table", CSV, ["--out", "data.csv"], 2, "must not be a file that is read"),
        ("onto the table, otherwise", CSV, ["--out", "./model/../data.csv"], 2, "that is read"),
        ("into the model", CSV, ["--out", "model/out.csv"], 2, "that is read"),
        ("onto a folder", CSV, ["--out", "model"], 2, "`out` must be named"),
        ("a long name", CSV, ["--out", "x" * 300 + ".csv"], 2, "too long"),
        ("a name of 255", CSV, ["--out", "x" * 251 + ".csv"], 0, ""),
        ("other columns", CSV.replace("unique_id", "uid"), [], 2, "is not in"),
        ("ten rows", TABLE.iloc[:10], [], 0, ""),
        ("no future", CSV, ["--future", "none.csv"], 2, "does not exist"),
        ("the past as future", CSV, ["--future", "data.csv"], 2, "must not hold target values"),
        ("a new series", TABLE.assign(unique_id="new").drop_duplicates("ds"), [], 0, ""),
        ("one stamp alone", daily, [], 2, "duplicates"),
        ("words", TABLE.assign(y="a"), [], 2, "must hold numbers"),
        ("1e38", TABLE.assign(y=TABLE.y * 1e37), [], 2, "infinite"),
        ("horizon 0", CSV, ["--horizon", "0"], 2, "at least 1"),
        ("horizon 400 digits", CSV, ["--horizon", BIG], 2, "at most"),
        ("horizon 7 of 6", CSV, ["--horizon", "7"], 2, "horizon"),
        ("an origin of words", CSV, ["--origin", "yesterday"], 2, "origin"),
        ("an origin far ahead", CSV, ["--origin", "2200-01-01"], 2, "origin"),
        ("an origin long ago", CSV, ["--origin", "1900-01-01"], 2, "origin"),
    ]:
        args = ["predict", "model", "data.csv", *args]
        yield Case("predict", name, with_model(content), args, status, says, has_model=True)
    cut = lambda path, keep: path.write_bytes(path.read_bytes()[:keep])  # noqa: E731
    for name, change in [
        ("no weights", lambda folder: (folder / "model.safetensors").unlink()),
        ("weights cut off", lambda folder: cut(folder / "model.safetensors", 900)),
        ("weights of text", lambda folder: (folder / "model.safetensors").write_text("hello")),
        ("no configuration", lambda folder: (folder / "config.json").unlink()),
        ("configuration cut off", lambda folder: cut(folder / "config.json", 900)),
        ("a list", lambda folder: (folder / "config.json").write_text("[1, 2]")),
        ("nothing", lambda folder: [each.unlink() for each in folder.iterdir()]),
    ]:
        args = ["predict", "model", "data.csv"]
        yield Case("models", name, with_model(CSV, change), args, 2, "model|config", has_model=True)
    for name, content in [
        ("none", None),
        ("empty", b""),
        ("text", b"hello"),
        ("a list, pickled", pickle.dumps([1, 2])),
        ("the table", CSV.encode()),
    ]:

        def make(folder, content=content):
            written(CSV)(folder)
            if content is not None:
                (folder / "model.ckpt").write_bytes(content)

        args = ["predict", "model.ckpt", "data.csv"]
        yield Case("models", f"a checkpoint: {name}", make, args, 2, "model.ckpt")


def contest_cases():
    """Yield cases of `compare` and `backtest`."""
    for name, args, status, says in [
        ("an unknown model", [*LSTM, "--models", "[nbeats]"], 2, "nbeats"),
        ("a model twice", [*LSTM, "--models", "[lstm,lstm]"], 2, "different names"),
        ("a word for models", [*LSTM, "--models", "lstm"], 2, "Given value|Expected"),
        ("no model", [*LSTM, "--models", "[]"], 2, "different names"),
        ("no seed", [*LSTM, "--seeds", "[]"], 2, "at least one seed"),
        ("a seed twice", [*LSTM, "--seeds", "[1,1]"], 2, "at least one seed"),
        ("seed -1", [*LSTM, "--seeds", "[-1]"], 2, "at least 0"),
        ("seed 2**40", [*LSTM, "--seeds", "[1099511627776]"], 2, "at most"),
        ("rate nan", [*LSTM, "--learning_rates", "[.nan]"], 2, "above 0"),
        ("rate 0", [*LSTM, "--learning_rates", "[0]"], 2, "above 0"),
        ("no test window", [*LSTM, "--test_windows", "0"], 2, "at least 1"),
        ("a million test windows", [*LSTM, "--test_windows", "1000000"], 2, "at most"),
        ("400 digits of windows", [*LSTM, "--test_windows", BIG], 2, "at most"),
        ("epochs of 400 digits", [*LSTM, "--max_epochs", BIG], 2, "at most"),
        ("seconds nan", [*LSTM, "--max_seconds", ".nan"], 2, "above 0"),
        ("too few to calibrate", [*LSTM, "--calibrated", "true"], 2, "`calibrated` needs"),
        ("out is the table", [*LSTM, "--out", "data.csv"], 2, "is a file; name a folder"),
        ("out is below the table", [*LSTM, "--out", "data.csv/x"], 2, "Not a directory|is a file"),
        ("out of 300 characters", [*LSTM, "--out", "x" * 300], 2, "too long"),
        (
            "a formula for a unit",
            [*NAIVE, "--out", "o", "--report", "true", "--unit", r"$\x$"],
            0,
            "",
        ),
        ("naive", [*NAIVE, "--out", "deep/er"], 0, ""),
    ]:
        yield Case("compare", name, written(CSV), ["compare", "data.csv", *args], status, says)
    for name, args, says in [
        ("no fold", ["--folds", "0"], "at least 1"),
        ("ten million folds", ["--folds", "10000000"], "at most"),
        ("folds of 400 digits", ["--folds", BIG], "at most"),
        ("step 0", ["--step", "0"], "at least 1"),
        ("refit 0", ["--refit_every", "0"], "at least 1"),
        ("a window of 3", ["--window_length", "3"], "at least"),
        ("a window of 400 digits", ["--window_length", BIG], "at most"),
    ]:
        args = ["backtest", "data.csv", *LSTM, *args]
        yield Case("backtest", name, written(CSV), args, 2, says)


def tuning_cases():
    """Yield cases of `tune`."""
    space = "--search_space"
    for name, args, status, says in [
        ("no limit", TUNE, 2, "the search would not end"),
        ("no trial", [*TUNE, "--n_trials", "0"], 2, "at least 1"),
        ("trials of 400 digits", [*TUNE, "--n_trials", BIG], 2, "at most"),
        ("seconds nan", [*ONE, "--max_seconds", ".nan"], 2, "above 0"),
        ("storage of words", [*ONE, "--storage", "hello"], 2, "must be a URL"),
        ("no storage", [*ONE, "--storage", ""], 2, "must be a URL"),
        ("no driver", [*ONE, "--storage", "oracle://u:secret@h/db"], 2, "driver"),
        ("no folder", [*ONE, "--storage", "sqlite:///no/such/s.db"], 2, "does not answer"),
        ("the table as storage", [*ONE, "--storage", "sqlite:///data.csv"], 2, "is damaged"),
        ("out is the table", [*ONE, "--out", "data.csv"], 2, "is a file; name a folder"),
        ("a study of 600 characters", [*ONE, "--study_name", "n" * 600], 2, "`study_name`"),
        ("a study of dots", [*ONE, "--study_name", "../../x"], 0, ""),
        ("another objective", [*ONE, "--objectives", "[speed]"], 2, "`objectives`"),
        ("a range upside down", [*ONE, f"{space}.hidden_size", "{low: 9, high: 3}"], 2, "lower"),
        ("a class", [*ONE, space, "{class_path: os.system}"], 2, "class_path"),
        ("no such file", [*ONE, space, "none.yaml"], 2, "none.yaml"),
        ("an unknown cell", [*ONE, f"{space}.cell_type", "[A]"], 2, "one of"),
        ("too wide", [*ONE, f"{space}.hidden_size", "10000000"], 2, "at most"),
        ("seeds of words", [*ONE, "--seeds", "[a]"], 2, "Expected a"),
        ("no heartbeat", [*ONE, "--heartbeat_seconds", "0"], 2, "at least 1"),
    ]:
        yield Case("tune", name, written(CSV), args, status, says)


def memory_cases():
    """Yield cases of `memory`."""
    for name, args, status, says in [
        ("nothing", [], 2, "Pass `--encoder_length`"),
        ("a day", ["--encoder_length", "24"], 0, ""),
        ("a year of hours", ["--encoder_length", "8760"], 0, ""),
        ("ten million steps", ["--encoder_length", "10000000"], 2, "at most 1,000,000"),
        ("a billion steps", ["--encoder_length", "1000000000"], 2, "at most 1,000,000"),
        ("steps of 400 digits", ["--encoder_length", BIG], 2, "at most"),
        ("a long analysis", ["--num_layers", "3", "--encoder_length", BIG], 2, "at most"),
        ("60 layers", ["--num_layers", "60"], 2, "at most"),
        ("a billion layers", ["--num_layers", "1000000000"], 2, "at most"),
        ("layers of 400 digits", ["--num_layers", BIG], 2, "at most"),
        ("a huge base", ["--num_layers", "2", "--dilation_base", BIG], 2, "at most"),
        ("a huge start", ["--num_layers", "2", "--start_exponent", BIG], 2, "at most"),
        ("a billion as dilation", ["--dilations", "[1,1000000000]"], 2, "at most 1,000,000"),
        ("a dilation of 400 digits", ["--dilations", f"[1,{BIG}]"], 2, "at most"),
        ("a wide kernel", ["--num_layers", "3", "--input_kernel_size", "100000000"], 2, "at most"),
        ("wide layers", ["--num_layers", "3", "--hidden_size", BIG], 2, "at most"),
        ("many features", ["--num_layers", "3", "--input_size", BIG], 2, "at most"),
        ("top 0", ["--encoder_length", "24", "--top", "0"], 2, "at least 1"),
        ("another suffix", ["--num_layers", "3", "--out", "x.foo"], 2, "`out` must be named"),
        ("no such folder", ["--num_layers", "3", "--out", "no/x.png"], 2, "does not exist"),
        ("a wide picture", ["--num_layers", "17", "--out", "x.png"], 2, "at most 20,000 edges"),
        (
            "a deep picture",
            ["--num_layers", "3", "--dilation_base", "9", "--depth_out", "x.png"],
            0,
            "",
        ),
        ("a picture of nothing", ["--dilations", "[1]", "--depth_out", "x"], 2, "must be named"),
    ]:
        args = ["memory", *args]
        yield Case("memory", name, lambda folder: None, args, status, says, seconds=30)


def demo_cases():
    """Yield cases of `demo`, and of places to write."""
    for name, args, says in [
        ("99 series", ["--num_series", "99"], "must be between 1 and 8"),
        ("a folder that is there", ["--out", "."], "exists"),
        ("0 seconds", ["--max_seconds", "0"], "above 0"),
        ("nan seconds", ["--max_seconds", ".nan"], "above 0|Expected"),
        ("a million windows", ["--test_windows", "1000000"], "at most"),
        ("windows of 400 digits", ["--test_windows", BIG], "at most"),
        ("below the table", ["--out", "data.csv/x"], "Not a directory|is a file"),
    ]:
        yield Case("demo", name, written(CSV), ["demo", *args], 2, says)


def place_cases():
    """Yield cases of where `fit` writes."""

    def beside(change):
        def make(folder):
            written(CSV)(folder)
            change(folder)

        return make

    def link(folder):
        (folder / "model").symlink_to(".")

    replace = ["--overwrite", "true"]
    for name, change, args, status, says in [
        ("no such folder", None, ["--out", "no/such/model"], 2, "does not exist"),
        ("the table", None, ["--out", "data.csv"], 2, "is a file; name a folder"),
        ("the table, to replace", None, ["--out", "data.csv", *replace], 2, "is a file; name a"),
        ("below the table", None, ["--out", "data.csv/model"], 2, "Not a directory|is a file"),
        ("an empty name", None, ["--out", ""], 2, "exists"),
        ("here", None, ["--out", ".", *replace], 2, "a folder of its own"),
        ("above", None, ["--out", "..", *replace], 2, "a folder of its own"),
        ("the root", None, ["--out", "/", *replace], 2, "a folder of its own"),
        ("here, by a link", link, ["--out", "model", *replace], 2, "a folder of its own"),
        ("300 characters", None, ["--out", "m" * 300], 2, "too long"),
        ("250 characters", None, ["--out", "m" * 250], 2, "too long"),
        ("a path of 5,000", None, ["--out", "m/" * 2500], 2, "too long"),
        ("there already", lambda f: (f / "model").mkdir(), [], 2, "exists"),
        ("a pipe", lambda f: os.mkfifo(f / "model"), replace, 2, "is a file; name a folder"),
        ("a device", None, ["--out", "/dev/null", *replace], 2, "is a file; name a folder"),
        ("/proc", None, ["--out", "/proc/model"], 2, "`out`|/proc"),
    ]:
        make = beside(change or (lambda folder: None))
        yield Case("places to write", name, make, ["fit", "data.csv", *FIT, *args], status, says)


CASES = [
    *prediction_cases(),
    *contest_cases(),
    *tuning_cases(),
    *memory_cases(),
    *demo_cases(),
    *place_cases(),
]

"""Cases: what is wrong, or only odd, with the flags and configurations of `fit`."""

import os

from corpus.case import CSV, FIT, Case, fitted, written

KIND = "Expected a|Given value"
ABOVE = "must be at least"
BELOW = "must be at most"
BIG = "1" + "0" * 399


def flag_cases():
    """Yield cases of one flag each."""
    for flag, value, status, says in [
        ("horizon", "0", 2, ABOVE),
        ("horizon", "-1", 2, ABOVE),
        ("horizon", "1000000000", 2, "Lower `horizon`|" + BELOW),
        ("horizon", BIG, 2, BELOW),
        ("horizon", "6.0", 2, KIND),
        ("horizon", "6.5", 2, KIND),
        ("horizon", "nan", 2, KIND),
        ("horizon", ".inf", 2, KIND),
        ("horizon", "true", 2, KIND),
        ("horizon", "null", 2, KIND),
        ("horizon", "", 2, KIND),
        ("horizon", "[6]", 2, KIND),
        ("horizon", "0x6", 0, ""),
        ("horizon", "1_0", 0, ""),
        ("context_length", "1000000000000", 0, ""),
        ("context_length", BIG, 2, BELOW),
        ("context_length", "-5", 2, ABOVE),
        ("min_context_length", "0", 2, ABOVE),
        ("validation_windows", "0", 2, ABOVE),
        ("validation_windows", BIG, 2, BELOW),
        ("stride", "0", 2, ABOVE),
        ("season_length", "1000000000", 2, BELOW),
        ("season_length", BIG, 2, BELOW),
        ("season_length", "[]", 0, ""),
        ("season_length", "[24,24]", 2, "different integers"),
        ("hidden_size", "10000000", 2, BELOW),
        ("hidden_size", BIG, 2, BELOW),
        ("hidden_size", "-4", 2, ABOVE),
        ("head_size", "0", 2, ABOVE),
        ("head_size", "100000000", 2, BELOW),
        ("num_layers", "1000000", 2, BELOW),
        ("num_layers", BIG, 2, BELOW),
        ("num_layers", "64", 2, BELOW),
        ("dilation_base", "100000000000", 2, BELOW),
        ("start_exponent", "1000000000", 2, BELOW),
        ("dilations", "[]", 2, "empty list"),
        ("dilations", "[0]", 2, ABOVE),
        ("dilations", "[1000000000000000000000]", 2, BELOW),
        ("dilations", f"[{BIG}]", 2, BELOW),
        ("dilations", "[" + "1," * 5000 + "1]", 2, "at most 1,000 layers"),
        ("segment_length", BIG, 2, BELOW),
        ("linear_length", "-1", 2, ABOVE),
        ("linear_length", BIG, 2, BELOW),
        ("dropout", "nan", 2, KIND),
        ("dropout", ".nan", 2, "`dropout` must be"),
        ("dropout", "1.5", 2, "`dropout` must be"),
        ("learning_rate", "nan", 2, KIND),
        ("learning_rate", ".nan", 2, "`learning_rate` must be a number above 0"),
        ("learning_rate", ".inf", 2, "`learning_rate` must be a number above 0"),
        ("learning_rate", "-1", 2, "`learning_rate` must be a number above 0"),
        ("learning_rate", "0", 2, "`learning_rate` must be a number above 0"),
        ("learning_rate", "1e6", 0, ""),
        ("batch_size", "0", 2, ABOVE),
        ("batch_size", "1000000000000", 0, ""),
        ("batch_size", BIG, 2, BELOW),
        ("max_steps", BIG, 2, BELOW),
        ("max_seconds", "nan", 2, KIND),
        ("max_seconds", ".nan", 2, "`max_seconds` must be"),
        ("max_seconds", ".inf", 0, ""),
        ("max_seconds", "1e30", 0, ""),
        ("max_seconds", "-1", 2, ABOVE),
        ("max_seconds", "0.000001", 2, ABOVE),
        ("trust", "nan", 2, KIND),
        ("trust", ".nan", 2, "`trust` must be"),
        ("trust", "2", 2, "`trust` must be"),
        ("seed", "-1", 2, ABOVE),
        ("seed", "4294967296", 2, BELOW),
        ("seed", BIG, 2, BELOW),
        ("quantiles", "[0,0.5,1]", 2, "between 0 and 1"),
        ("quantiles", "[0.5,.nan]", 2, "between 0 and 1"),
        ("quantiles", "[]", 2, "must include 0.5"),
        ("quantiles", "[0.5,0.5]", 2, "different numbers"),
        ("quantiles", "0.5", 2, KIND),
        ("preset", "slow", 2, "must be one of"),
        ("accelerator", "abacus", 2, "abacus"),
        ("cell_type", "lstm", 2, "must be one of RNN, GRU, LSTM"),
        ("cell_type", "os.system", 2, "must be one of RNN, GRU, LSTM"),
        ("freq", "0h", 2, "`freq`"),
        ("freq", "D", 2, "grid of frequency 'D'"),
        ("freq", "15min", 2, "steps are missing"),
        ("freq", "__import__('os')", 2, "`freq` must be a pandas frequency alias"),
        ("zone", "Mars/Base", 2, "zone"),
        ("zone", "../../etc/passwd", 2, "zone"),
        ("holidays", "XX", 2, "calendar"),
        ("weight", "nothing", 2, "'nothing'"),
        ("known", '{"a": 1}', 2, "is not in"),
        ("known", "[1,2]", 2, "is not in"),
        ("known", "[price", 2, "is not in"),
        ("overwrite", "maybe", 2, KIND),
        ("csv", "{sep: ','}", 0, ""),
        ("csv", "{seperator: ','}", 2, "`csv` has no option 'seperator'"),
        ("csv", "{encoding: utf-9}", 2, "`encoding` must be one that Python knows"),
        ("csv", ";", 2, KIND),
        ("wide", "sideways", 2, "`wide` must be 'columns', 'rows'"),
        ("series", "[unique_id,region]", 0, ""),
        ("target", "[y,price]", 0, ""),
        ("target_normalizer", "os.system", 2, "`target_normalizer` must be one of"),
        ("target", "y\udcff", 2, "is not in"),
    ]:
        shown = value if len(value) < 30 else f"{value[:12]}... of {len(value)}"
        more = {"seconds": 30} if status == 2 else {}
        name = f"{flag} {shown!a}"
        yield fitted("flags", name, CSV, status, says, f"--{flag}", value, **more)


def line_cases():
    """Yield cases of whole command lines."""
    make = written(CSV)
    for name, args, status, says in [
        ("no command", [], 2, "subcommand"),
        ("none of that name", ["forecats"], 2, "invalid choice"),
        ("--version", ["--version"], 0, ""),
        ("--help", ["--help"], 0, ""),
        ("help of fit", ["fit", "--help"], 0, ""),
        ("no table", ["fit"], 2, "required"),
        ("unknown flag", ["fit", "data.csv", *FIT, "--width", "4"], 2, "--width"),
        ("unknown flag, not ASCII", ["fit", "data.csv", *FIT, "--größe", "4"], 2, "--größe"),
        ("an en dash", ["fit", "data.csv", *FIT, "\u2013seed", "6"], 2, "\u2013seed"),
        ("a flag cut short", ["fit", "data.csv", *FIT, "--hor", "6"], 0, ""),
        ("no value", ["fit", "data.csv", *FIT, "--seed"], 2, "expected one argument"),
        ("a flag twice", ["fit", "data.csv", *FIT, "--seed", "1", "--seed", "2"], 0, ""),
        ("two tables", ["fit", "data.csv", *FIT, "more.csv"], 2, "unrecognized"),
        ("-1h without =", ["fit", "data.csv", *FIT, "--freq", "-1h"], 2, "expected one argument"),
        (
            "two schedules",
            ["fit", "data.csv", *FIT, "--dilations", "[1,2]", "--dilation_base", "3"],
            2,
            "exclude each other",
        ),
        ("fed with noise", ["\x01\x02"], 2, "invalid choice"),
    ]:
        yield Case("lines of flags", name, make, args, status, says)


GOOD = (
    "time: ds\ntarget: y\nseries: unique_id\nhorizon: 6\ncontext_length: 24\n"
    "validation_windows: 2\nhidden_size: 4\nmax_steps: 2\nbatch_size: 16\nprogress: false\n"
)


def bomb(levels, width=9):
    """Return YAML lines in which each alias repeats the one before."""
    first = f"&a0 [{','.join('x' * width)}]"
    return [first] + [f"&a{n} [{','.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]


def configuration_cases():
    """Yield cases of a YAML file in place of flags."""
    lines = bomb(9)
    top = "".join(f"k{n}: {line}\n" for n, line in enumerate(lines))
    inner = "known:\n" + "".join(f"  - {line}\n" for line in lines)
    for name, text, status, says in [
        ("good", GOOD, 0, ""),
        ("a list for a number", GOOD.replace("horizon: 6", "horizon: [6]"), 2, KIND),
        ("a word for a number", GOOD.replace("horizon: 6", "horizon: six"), 2, KIND),
        ("a huge number", GOOD.replace("horizon: 6", f"horizon: {BIG}"), 2, BELOW),
        (
            "5,000 digits",
            GOOD.replace("horizon: 6", f"horizon: {BIG * 13}"),
            2,
            KIND + "|config|limit",
        ),
        ("an unknown key", GOOD + "widht: 3\n", 2, "widht"),
        ("a key twice", GOOD + "horizon: 7\n", 2, "'horizon' twice"),
        ("tabs", GOOD + "\tseed: 3\n", 2, "config"),
        ("a list", "- a\n- b\n", 2, "config"),
        ("a word", "hello", 2, "config"),
        ("nothing", "", 2, "config"),
        ("null", "null", 2, "config"),
        ("a tag that runs code", GOOD + "seed: !!python/object/apply:os.getpid []\n", 2, "config"),
        ("a tag that names code", GOOD + "freq: !!python/name:os.system ''\n", 2, "config"),
        ("a bomb", top + GOOD, 2, "at most 100,000 values"),
        ("a bomb in a flag", inner + GOOD, 2, "at most 100,000 values"),
        ("an alias to itself", GOOD + "known: &k [*k]\n", 2, "at most 50 levels"),
        ("deep nesting", GOOD + f"known: {'[' * 5000}{']' * 5000}\n", 2, "config"),
        (
            "deep blocks",
            GOOD + "known:\n" + "".join(f"{' ' * n}-\n" for n in range(900)),
            2,
            "at most 50 levels",
        ),
        ("two megabytes", GOOD + "#" * 2**21, 2, "at most 1,048,576 characters"),
        ("noise", os.urandom(300) + b"\xff", 2, "decode|config"),
        ("Latin-1", (GOOD + "# für\n").encode("latin-1"), 2, "decode"),
        ("UTF-16", GOOD.encode("utf-16"), 2, "decode"),
        ("octal", GOOD.replace("horizon: 6", "horizon: 010"), 0, ""),
        ("a date for a name", GOOD.replace("target: y", "target: 2024-01-01"), 2, "is not in"),
        ("no for a name", GOOD.replace("series: unique_id", "series: no"), 2, KIND),
        ("NUL in a name", GOOD.replace("target: y", 'target: "y\\0"'), 2, "is not in"),
        ("NUL in a path", GOOD + 'out: "m\\0"\n', 2, "`out`|null byte"),
        ("a class", GOOD + "cell_type: {class_path: os.system, init_args: {}}\n", 2, KIND),
    ]:

        def make(folder, text=text):
            written(CSV)(folder)
            written(text, "run.yaml")(folder)

        args = ["fit", "--config", "run.yaml", "data.csv"]
        yield Case("configurations", name, make, args, status, says, seconds=30)
    for name, make, says in [
        ("no file", written(CSV), "does not exist"),
        ("a folder", lambda folder: (folder / "run.yaml").mkdir(), "not a file"),
        ("a pipe", lambda folder: os.mkfifo(folder / "run.yaml"), "is a pipe"),
        ("/dev/zero", lambda folder: (folder / "run.yaml").symlink_to("/dev/zero"), "not a file"),
    ]:
        args = ["fit", "--config", "run.yaml", "data.csv"]
        yield Case("configurations", name, make, args, 2, says, seconds=20)


CASES = [*flag_cases(), *line_cases(), *configuration_cases()]

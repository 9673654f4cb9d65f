"""Find the dilations and the rest of the forecaster's settings for electricity load.

    python examples/tune.py

Start it in several terminals at once and they share the trials; start it again and it goes on.
"""

from pathlib import Path

import pandas as pd

from drnn_forecast import ForecastData, SearchSpace, load_sample, tune
from drnn_forecast.training import Range

HORIZON, CONTEXT = 48, 168  # hours


def main(folder: Path = Path("drnn-tuning"), n_trials: int = 20, steps: int = 200) -> pd.DataFrame:
    """Return the trials; write checkpoints, pictures and a forecast into `folder`."""
    data = ForecastData.from_frame(
        load_sample(), series="series", time="time", target="load", known=["temperature"]
    )
    past = data.before(HORIZON)  # the last two days become the future

    # Everything that is not said here keeps its usual range; one value fixes a hyperparameter.
    space = SearchSpace(
        dilations=((1, 4, 24), (1, 6, 24, 72)),  # seasonal lists beside the schedules M^(l-1+l0)
        start_exponent=Range(0, 3),
        hidden_size=Range(16, 64, log=True),
        batch_size=64,
    )
    result = tune(
        past,
        HORIZON,
        context_length=CONTEXT,
        validation_windows=14,
        n_trials=n_trials,
        search_space=space,
        objectives=("validation_loss", "training_seconds"),
        max_epochs=3,
        steps_per_epoch=steps,
        folder=folder,
    )
    print(result.front[["validation_loss", "training_seconds", "dilations"]])
    print(result.best_params)
    result.save_plots(folder / "plots")

    forecast = result.best_model().forecast(past.history, future=past.future)
    forecast.to_csv(folder / "forecast.csv", index=False)
    return result.table


if __name__ == "__main__":
    main()

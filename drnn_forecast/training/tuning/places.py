"""Where a study keeps its files: below its folder, whatever its database says."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import quote

CHECKPOINTS = "checkpoints"


def models_of_study(folder: Path | str, study_name: str, *, is_new: bool) -> Path:
    """Return the folder of a study's models, which is made.

    Raises:
        ValueError: It, or a folder on the way, is a link; or it has models, and the study is new.
    """
    # A name of dots alone would be another folder.
    name = quote(study_name, safe=" ").replace(".", "%2E") if set(study_name) <= {"."} else None
    place = own_path(Path(folder).resolve(), CHECKPOINTS, name or quote(study_name, safe=" "))
    place.mkdir(parents=True, exist_ok=True)
    if is_new and any(place.glob("trial-*")):
        raise ValueError(
            f"{str(place)!r} holds models of another study, which would be overwritten. Choose "
            "another `folder` or `study_name`, or pass the `storage` of that study."
        )
    return place


def model_of_trial(folder: Path, number: int) -> Path:
    """Return the folder of a trial's model, among those of its study."""
    return own_path(folder, f"trial-{int(number):04}")


def remove_model(folder: Path, number: int) -> None:
    """Remove a trial's model, if there is one."""
    path = model_of_trial(folder, number)
    if path.is_dir():
        shutil.rmtree(path)


def own_path(folder: Path, *names: str) -> Path:
    """Return a path below a folder.

    Raises:
        ValueError: A part of it is a link, which would lead elsewhere.
    """
    path = folder
    for name in names:
        path /= name
        if path.is_symlink():
            raise ValueError(
                f"{str(path)!r} is a link, and a study reads and writes nothing outside its "
                "`folder`. Put what it leads to in its place, or choose another `folder`."
            )
    return path

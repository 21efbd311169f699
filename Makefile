# Each target does its own set-up: a virtual environment in .venv, the versions of constraints.txt.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
# Modules are compiled when they are first imported: most of those of torch and transformers never are.
INSTALL := $(BIN)/python -m pip install --no-compile --quiet --disable-pip-version-check -c constraints.txt
# One installed setuptools builds every package here; otherwise pip fetches one for each of them.
EDIT    := $(INSTALL) --no-build-isolation

.PHONY: demo test lint types docs bench bench-gpu results train-gpu clean
.DELETE_ON_ERROR:

$(VENV)/.made:
	@echo "making $(VENV) (torch is large: a few minutes the first time)"
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) setuptools
	@touch $@

$(VENV)/.user: $(VENV)/.made pyproject.toml constraints.txt
	$(EDIT) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
	$(EDIT) -e '.[dev]' $(PLUGINS:%=-e %)
	@touch $(VENV)/.user $@

$(VENV)/.docs: $(VENV)/.user
	$(EDIT) -e '.[docs]'
	@touch $@

demo: $(VENV)/.user
	$(BIN)/tm demo --out build/demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist loadgroup

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

docs: $(VENV)/.docs
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict --site-dir build/site

bench: $(VENV)/.user
	$(BIN)/python -m benchmarks

# On a machine with a GPU; less than five minutes.
bench-gpu: $(VENV)/.user
	$(BIN)/python -m benchmarks.gpu

# The store that is shipped: every analysis on the bundled models and images, measured from nothing.
RESULTS := build/results/results.db

results: $(VENV)/.user
	rm -rf $(dir $(RESULTS))
	mkdir -p $(dir $(RESULTS))
	$(BIN)/tm study mini --db $(RESULTS) > /dev/null
	$(BIN)/tm db compact --db $(RESULTS)
	cp $(RESULTS) results.db
	$(BIN)/python docs/gallery.py
	$(BIN)/python docs/notebook.py

# The mini models' weights, trained on a GPU: the same recipes, more images. The cores draw the images once; the six
# trainings then share the device.
METHODS := supervised clip dino moco mae beit
IMAGES  := 100000
EPOCHS  := 6
TRAINED := build/train

$(VENV)/.train: $(VENV)/.user
	$(EDIT) -e plugins/teachmatters-train
	@touch $@

train-gpu: $(VENV)/.train
	mkdir -p $(TRAINED)
	@pids=; for method in $(METHODS); do \
	  $(BIN)/tm train --method $$method --data scenes --param train=$(IMAGES) --epochs $(EPOCHS) --threads 2 \
	    --device cuda --out $(TRAINED)/mini-$$method.safetensors & pids="$$pids $$!"; \
	done; for pid in $$pids; do wait $$pid || exit 1; done
	cp $(METHODS:%=$(TRAINED)/mini-%.safetensors) $(METHODS:%=$(TRAINED)/mini-%.json) teachmatters/models/mini/

clean:
	rm -rf $(VENV) build

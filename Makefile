# Every target works from a bare checkout: .venv is created once, with the pinned constraints.
PYTHON ?= python3
BIN := .venv/bin
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint bench clean

demo: .venv/study
	$(BIN)/juanji compare --net resnet20 --data mnist5k --epochs 2 --repeats 1 --out runs/demo \
	  --swap octave:0.25 --swap octave:0.5 --swap depthwise-separable --swap grouped:4 \
	  --swap shuffled:4 --swap spatially-separable --swap squeeze-excite

test: .venv/dev lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto

lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/dev
	$(BIN)/python -m benchmarks.promise
	$(BIN)/python -m benchmarks.operators

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The markers .venv/study and .venv/dev say which extra is installed; a changed pyproject or
# constraints file installs again. torch comes first, alone: it is pinned to the build whose
# dependencies are small. pytorchcv, whose networks the tests convert, asks for torchvision and
# uses it only in a part that the tests do not import: hence --no-deps.
.venv/torch: constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet torch scikit-build-core cmake ninja
	@touch $@

.venv/study .venv/dev: .venv/%: .venv/torch pyproject.toml
	$(BIN)/pip install --quiet --no-build-isolation --editable '.[$*]'
	$(if $(filter dev,$*),$(BIN)/pip install --quiet --no-deps pytorchcv)
	@touch $@

# Every target works from a bare checkout: .venv is created once, with the pinned constraints.
PYTHON ?= python3
BIN := .venv/bin
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto
# What depends on the kernels, run again with each instruction set. Graphs do not, nor do operators
# that are made of convolutions, nor tests marked `once`.
KERNEL_TESTS := tests/contract tests/ops tests/native -m "not once" \
  --ignore tests/contract/test_compile.py --ignore tests/ops/test_deform.py \
  --ignore-glob 'tests/ops/test_octave*'
RUNNABLE = $(BIN)/python -c "from juanji.ops.native import runnable; print(*runnable())"
CONFIGURE = $(BIN)/cmake -G Ninja -S . -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja \
  -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python
SECONDS := 60
SANITIZED_TESTS := tests/native/test_native_again.py tests/native/test_native_faults.py \
  tests/native/test_native_threads.py \
  tests/ops/test_shuffle.py tests/ops/test_shuffle_conv.py tests/ops/test_conv_operator.py \
  tests/ops/test_pool_native.py tests/contract/test_values.py \
  tests/contract/test_layouts.py tests/contract/test_faults.py

.PHONY: demo test lint sanitize arm bench clean

demo: .venv/study
	$(BIN)/juanji compare --net resnet20 --data mnist5k --epochs 2 --repeats 1 --out runs/demo \
	  --swap octave:0.25 --swap octave:0.5 --swap depthwise-separable --swap grouped:4 \
	  --swap shuffled:4 --swap spatially-separable --swap squeeze-excite

test: .venv/dev lint
	$(PYTEST)
	set -- $$($(RUNNABLE)) && shift && for isa in "$$@"; do \
	  echo "JUANJI_ISA=$$isa"; JUANJI_ISA=$$isa $(PYTEST) $(KERNEL_TESTS) || exit 1; done
	JUANJI_NATIVE=0 $(PYTEST) $(filter-out tests/native,$(KERNEL_TESTS))

lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# The kernels under the address and undefined-behaviour sanitizers: the tests that call them, then
# random calls for so many SECONDS.
sanitize: .venv/dev
	$(CONFIGURE) -B build/sanitize -DJUANJI_SANITIZE=ON
	$(BIN)/cmake --build build/sanitize --target $$($(RUNNABLE) | cut -d " " -f 1)
	export JUANJI_BUILD=build/sanitize OMP_NUM_THREADS=2 \
	  LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	  ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1 && \
	  $(BIN)/python -m pytest -q $(SANITIZED_TESTS) && \
	  $(BIN)/python -m tests.native.fuzz --seconds $(SECONDS)

# The kernels for 64-bit Arm: that they compile.
arm: .venv/dev
	$(CONFIGURE) -B build/arm -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
	  -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++
	$(BIN)/cmake --build build/arm

bench: .venv/dev
	$(BIN)/juanji bench
	$(BIN)/python -m benchmarks.promise
	$(BIN)/python -m benchmarks.operators

clean:
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The markers .venv/study and .venv/dev say which extra is installed; a changed pyproject or
# constraints file installs again. torch comes first, alone: it is pinned to the build whose
# dependencies are small. pytorchcv, whose networks the tests convert, asks for torchvision and
# uses it only in a part that the tests do not import: hence --no-deps. The ninja that builds is
# named, since another version of it would build everything anew.
.venv/torch: constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet torch scikit-build-core cmake ninja
	@touch $@

.venv/study .venv/dev: .venv/%: .venv/torch pyproject.toml CMakeLists.txt
	$(BIN)/pip install --quiet --no-build-isolation --editable '.[$*]' \
	  --config-settings=cmake.define.CMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja
	$(if $(filter dev,$*),$(BIN)/pip install --quiet --no-deps pytorchcv)
	@touch $@

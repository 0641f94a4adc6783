# `make run` and `make test` work on a bare clone with Python >= 3.11 and pip; the environment is made in .venv.
# VENV=... reuses an environment, CONFIG=... names your config, CORES=... limits what is used. docs/troubleshooting.md helps.

PYTHON ?= python3
VENV ?= .venv
CONFIG ?=
QUICK ?=
CORES ?= all
BIN := $(VENV)/bin
READY := $(VENV)/.graft-$(shell cat requirements.txt requirements-test.txt | cksum | cut -d' ' -f1)
PEERS := build/bench
PEERS_READY := $(PEERS)/.graft-$(shell (echo $(abspath $(VENV)); cat tests/benchmarks/requirements*.txt) | cksum | cut -d' ' -f1)
SNAKEMAKE = $(BIN)/snakemake --profile profiles/local --cores $(CORES) $(if $(CONFIG),--configfile "$(CONFIG)") $(if $(filter-out 0 no false,$(QUICK)),--config quick=true)
export PATH := $(abspath $(BIN)):$(PATH)

# Snakemake starts scripts by the path of its Python without quotes around it.
ifneq ($(words $(abspath $(VENV))),1)
$(error The environment would be in '$(abspath $(VENV))', and programs in a path with a blank cannot be started. \
	Name another place for it, such as: make $(MAKECMDGOALS) VENV=$(if $(word 2,$(HOME)),/tmp,$(HOME))/graft-venv)
endif

# Snakemake would end in a traceback. `make new` writes the file.
ifneq ($(CONFIG),)
ifeq ($(filter new,$(MAKECMDGOALS)),)
ifneq ($(shell test -f "$(CONFIG)" && echo there),there)
$(error There is no config file '$(CONFIG)' in $(CURDIR). Write its path from there, or let graft write one: \
	make new DATA=folder-or-file CONFIG=$(CONFIG))
endif
endif
endif

# Where the home folder cannot be written, what Snakemake and others cache there goes to the project.
ifndef XDG_CACHE_HOME
ifneq ($(shell test -d "$$HOME" && mkdir -p "$$HOME/.cache" 2> /dev/null && test -w "$$HOME/.cache" && echo writable),writable)
export XDG_CACHE_HOME := $(CURDIR)/build/cache
MPLCONFIGDIR ?= $(XDG_CACHE_HOME)/matplotlib
export MPLCONFIGDIR
endif
endif

.PHONY: new check tune run label unlock predict test tutorial-test slurm-test conda-test lint report results bench docs clear-store env

# A config for your data: make new DATA=folder-or-file [CONFIG=mine.yaml]. Never overwrites.
new: $(READY)
	@$(BIN)/python scripts/new_config.py "$(DATA)" $(if $(CONFIG),"$(CONFIG)")

# Fetches and prepares, trains nothing, and shows the data and what the models will cost.
check: $(READY)
	$(SNAKEMAKE) -- check

# Times a few batches of every backbone in every numeric mode on this machine, and proposes what to write in the config.
tune: $(READY)
	$(SNAKEMAKE) -- tune

run: $(READY)
	$(SNAKEMAKE)

# A page for each pool on which its rows are labelled, those first whose labels teach most: make label [CONFIG=..].
label: $(READY)
	$(SNAKEMAKE) -- label

# Removes the lock that a run has left which was killed (kill -9, a power failure): make unlock [CONFIG=..].
unlock: $(READY)
	$(SNAKEMAKE) --unlock

# New files for a trained model, without labels: make predict MODEL=name DATA=path [OUT=predictions.csv SEED=0 COLUMN=..].
predict: $(READY)
	@$(BIN)/python scripts/predict_files.py "$(MODEL)" "$(DATA)" $(if $(OUT),--out "$(OUT)") $(if $(SEED),--seed $(SEED)) \
		$(if $(COLUMN),--column "$(COLUMN)")

report: run
	$(SNAKEMAKE) --report report.html --report-stylesheet rules/captions/report.css
	@echo "Open report.html in a browser."

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Every command of docs/tutorials, typed in a fresh checkout, and what it prints: five minutes.
tutorial-test: $(READY)
	$(BIN)/python -m pytest -n 2 tests/tutorials

# `snakemake --profile slurm` on a Slurm that the tests start themselves: a quarter of an hour.
slurm-test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/slurm

# The rules in environments that a real conda makes of envs/*.yaml; conda comes from the package index: five minutes.
conda-test: $(READY)
	$(BIN)/python -m pytest tests/conda

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	PYTHONPATH=scripts $(BIN)/lint-imports --no-cache

# The tables of docs/results.md and README: several seeds and splits; some hours on two cores. It goes on where it was stopped.
results: $(PEERS_READY)
	$(BIN)/snakemake --profile profiles/local --cores $(CORES) --directory build/results \
		--configfile config/results.yaml -- results/summary.csv
	PYTHONPATH=scripts:tests $(BIN)/python tests/benchmarks/write_results.py build/results/results/summary.csv
	for table in domains digits targets pool_students; do \
		PYTHONPATH=scripts:tests $(PEERS)/bin/python -m benchmarks.$$table || exit 1; \
	done

# graft against the scripts that it replaces and its peers, side by side: make bench [ROW=P4]; half an hour for all rows.
bench: $(PEERS_READY)
	$(PEERS)/bin/python tests/benchmarks/bench.py $(ROW)

# The peers get an environment of their own that sees the packages of the project's: one torch, and no peer in the project.
$(PEERS_READY): | $(READY)
	$(BIN)/python -m venv --clear --without-pip $(PEERS)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> $$($(PEERS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth
	$(BIN)/python -m pip --python $(PEERS)/bin/python install --quiet --disable-pip-version-check --no-deps \
		-r tests/benchmarks/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(PEERS)/older \
		-r tests/benchmarks/requirements-older.txt
	touch $@

# The tables of config/README.md, from the schema and the plug-ins, and of docs/reference; the picture of the rules, from the rules;
# the site of the documentation in build/site, of which a warning or a broken link is an error.
docs: $(READY)
	PYTHONPATH=scripts $(BIN)/python -m graft.config.docs
	$(BIN)/python docs/write_reference.py
	$(BIN)/python docs/pictures/draw_rules.py
	$(BIN)/python docs/pictures/draw_whole.py
	$(BIN)/sphinx-build -q --fail-on-warning --keep-going --nitpicky docs build/site

# Deletes from the store what the config no longer names: make clear-store [CONFIG="a.yaml b.yaml" DAYS=7]. In a store that
# others may write to, what was used in the last 30 (or DAYS) days stays.
clear-store: $(READY)
	if test -f "$(CONFIG)"; then set -- "$(CONFIG)"; else set -- $(CONFIG); fi; \
		$(BIN)/python scripts/clear_store.py "$$@" $(if $(DAYS),--days $(DAYS))

env: $(READY)

$(READY):
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "graft needs Python 3.11 or newer; try make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	touch $@

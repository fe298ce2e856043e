# Everything runs in .venv, which the first target that needs it creates.
PYTHON ?= python3
VENV := .venv

.PHONY: demo test lint docs linkcheck clean

demo: $(VENV)/installed
	MPLBACKEND=agg $(VENV)/bin/python examples/first_steps/demo.py --output demo.png

test: $(VENV)/installed
	$(VENV)/bin/python -m pytest --numprocesses=auto --dist=worksteal

lint: $(VENV)/installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy --strict --config-file= --follow-imports=silent tests/typing

# Warnings are errors. The gallery runs in the build; SPHINXOPTS="-D plot_gallery=0" leaves that out.
docs: $(VENV)/installed-docs
	OMP_NUM_THREADS=1 $(VENV)/bin/sphinx-build --fail-on-warning --keep-going $(SPHINXOPTS) docs build/site
	$(VENV)/bin/python docs/check_site.py build/site

# Links to other sites too; needs a network.
linkcheck: $(VENV)/installed-docs
	$(VENV)/bin/sphinx-build -b linkcheck -D plot_gallery=0 docs build/linkcheck

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --editable ".[plot,test,vision]"
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(VENV)/bin/python -m pip install --quiet --editable ".[dev]"
	touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(VENV)/bin/python -m pip install --quiet --editable ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) build docs/api docs/gallery

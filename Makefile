# `make demo` and `make test` set up all that they need under .venv/ and .stylegan2-cache/; a second run reuses it.
# PYTHON only starts the set-up (3.6 or newer, standard library); the programs run in the environments it makes.
PYTHON ?= python3

.PHONY: help setup demo test clean
help:
	@echo "make setup  make a virtual environment for the newest TensorFlow, build the fast operations; print its python and what to type next"
	@echo "make demo   train, generate, mix styles and project on the built-in cats (at most 20 minutes)"
	@echo "make test   lint and test under every supported TensorFlow whose Python is here"
	@echo "make clean  remove the environments, the caches and the results of demo runs"

setup:
	@$(PYTHON) environments.py

demo:
	@$(PYTHON) demo.py

test:
	@$(PYTHON) tests/run_all.py

clean:
	rm -rf build stylegan2_tf.egg-info .venv .stylegan2-cache .pytest_cache .ruff_cache results/demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

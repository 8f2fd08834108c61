# make demo, make test: from nothing to the result; a second run skips what is done.
# ROS_DISTRO=jazzy makes the same with the other distribution that is available as wheels.
SHELL := /bin/bash
PYTHON ?= python3
ROS_DISTRO ?= kilted
export ROS_DISTRO

VENV := .venv/$(ROS_DISTRO)
OTHER := $(if $(filter kilted,$(ROS_DISTRO)),jazzy,kilted)
ENVIRONMENT := . tools/environment.sh &&

.PHONY: demo test test-ros check bench faults poison soak fuzz calibrate train deployments build clean

demo: build
	$(ENVIRONMENT) ttt-ros demo --out out/demo

# What failed is run once more by itself: tests of live threads and processes share the machine with whatever else it does.
test: check
	$(ENVIRONMENT) pytest -m "not ros" -n 2 || pytest -m "not ros" --last-failed
	$(ENVIRONMENT) pytest -m ros || pytest -m ros --last-failed

test-ros: build
	$(ENVIRONMENT) pytest -m ros || pytest -m ros --last-failed

check: build
	$(ENVIRONMENT) ruff check . && ruff format --check . && mypy && lint-imports

bench: build
	$(ENVIRONMENT) ttt-ros bench --out out/bench

# Every way of the catalogue to break the running system, twenty trials each: about an hour, on a machine that does nothing else.
faults: build
	$(ENVIRONMENT) ttt-ros faults --out out/faults

poison: build
	$(ENVIRONMENT) ttt-ros poison --out out/poison

CHUNKS ?= 100000
soak: build
	$(ENVIRONMENT) ttt-ros soak --chunks $(CHUNKS) --out out/soak

CASES ?= 1000000
fuzz: build
	$(ENVIRONMENT) python tools/fuzz.py --cases $(CASES) --out out/fuzz

# False alarms of the shipped limits on clean runs, and the limits that the runs propose.
calibrate: build
	$(ENVIRONMENT) ttt-ros calibrate-safeguard --out out/calibration

train: out/desk_arm/policy.safetensors

out/desk_arm/policy.safetensors: | build
	$(ENVIRONMENT) ttt-ros train --output out/desk_arm

# The comparison from nothing: every method on the recordings of the first run; `make -j2 deployments` trains two at a time.
METHODS := static nominal oracle lstm window attention naive first_order
CHECKPOINTS := $(patsubst %,out/checkpoints/%.safetensors,$(METHODS) second_order)

out/checkpoints/second_order.safetensors: out/desk_arm/policy.safetensors
	mkdir -p out/checkpoints && cp $< $@

out/checkpoints/%.safetensors: | out/desk_arm/policy.safetensors
	$(ENVIRONMENT) ttt-ros train method=$* data=out/desk_arm/data --output out/methods/$*
	mkdir -p out/checkpoints && cp out/methods/$*/policy.safetensors $@

deployments: $(CHECKPOINTS)
	$(ENVIRONMENT) ttt-ros evaluate-sim --suite deployment --checkpoints out/checkpoints --out out/deployments

build: install/$(ROS_DISTRO)/.built

$(VENV)/.installed: requirements.txt tools/mend_wheels.py tools/check_prerequisites.sh
	tools/check_prerequisites.sh $(PYTHON) $(ROS_DISTRO)
	$(PYTHON) -m venv $(VENV)
	sed '/# $(OTHER)$$/d; /# no-deps/d' requirements.txt > $(VENV)/requirements.txt
	sed -n '/# no-deps/p' requirements.txt > $(VENV)/requirements-alone.txt
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $(VENV)/requirements.txt
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps -r $(VENV)/requirements-alone.txt
	$(VENV)/bin/python tools/mend_wheels.py
	touch $@

# Python files are linked into the install tree, so only messages, the build files and new files need a build.
install/$(ROS_DISTRO)/.built: $(VENV)/.installed CMakeLists.txt package.xml $(wildcard msg/*.msg scripts/* launch/* config/*) $(shell find ttt_ros -type d -not -name __pycache__)
	$(ENVIRONMENT) colcon --log-base log/$(ROS_DISTRO) build --symlink-install --event-handlers console_cohesion- summary+ \
	  --base-paths . --build-base build/$(ROS_DISTRO) --install-base install/$(ROS_DISTRO) \
	  --cmake-args -DPython3_EXECUTABLE=$(CURDIR)/$(VENV)/bin/python -DBUILD_TESTING=OFF
	touch $@

clean:
	rm -rf build install log out .venv

# The commands of the README; each sets up all it needs by itself.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo demo-hub demo-hub-down test unit lint deep bench grade clean tools

OFFICE := demo
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# the newest Python we support that this machine has; asked anew by each line, since one of them may install it
PYTHON := $$(for v in 3.13 3.12 3.11; do p=$$(command -v python$$v) && $$p -c '' 2>/dev/null && { echo $$p; break; }; done || true)
RUN := .venv/bin/provisioner
TIMED = began=$$SECONDS; trap 'echo "$@ took $$(((SECONDS - began) / 60)) min $$(((SECONDS - began) % 60)) s"' EXIT;
SFTP := /usr/lib/openssh/sftp-server
# programs, each with the packages that bring it
PACKAGES := smbclient=smbclient cc=gcc,libc6-dev pdftoppm=poppler-utils strace=strace gpg=gpg wrk=wrk brotli=brotli \
  restic=restic rclone=rclone wg=wireguard-tools wireguard-go=wireguard-go nft=nftables $(SFTP)=openssh-sftp-server
INSTALLED = for p in $(1); do command -v $$p >/dev/null || { for one in $(PACKAGES); do case $$one in $$p=*) \
	  $(SUDO) apt-get install -y -q --no-install-recommends $$(echo $${one\#*=} | tr , ' ');; esac; done; }; done

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile

.venv/ready: requirements.lock pyproject.toml
	@p=$(PYTHON); { [ -n "$$p" ] && $$p -c 'import ensurepip, venv' 2>/dev/null; } || \
	  { echo "Installing python3-venv"; $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q --no-install-recommends python3-venv; }
	@[ -n "$(PYTHON)" ] || { echo "provisioner needs Python 3.11, 3.12 or 3.13 (Debian 12 or 13)" >&2; exit 2; }
	@echo "Making the environment .venv with $(PYTHON)"
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/pip --disable-pip-version-check install --require-hashes -r requirements.lock \
	  | awk '/^(Collecting|Installing)/ { printf "  %s\n", substr($$0, 1, 110); fflush() }'
	@.venv/bin/pip --disable-pip-version-check install -q --no-deps --no-build-isolation -e .
	@touch .venv/ready

demo: .venv/ready ## a virtual office of real Debian systems, from its dossier to installed machines
	@$(RUN) doctor --repair
	$(RUN) lab up $(OFFICE)
	$(RUN) adopt $(OFFICE) --lab --yes
	$(RUN) plan $(OFFICE) --lab || [ $$? = 3 ]
	$(RUN) apply $(OFFICE) --lab --yes
	$(RUN) website deploy $(OFFICE) --lab
	$(RUN) backup run $(OFFICE) --lab
	$(RUN) verify $(OFFICE) --lab
	$(RUN) record new $(OFFICE) --lab
	@echo
	@echo "The office stands, and is proven. Look around:"
	@echo "  $(RUN) website list $(OFFICE) --lab"
	@echo "  $(RUN) ssh $(OFFICE) server --lab"
	@echo "  $(RUN) runs show $(OFFICE) --lab"
	@echo "  $(RUN) lab down $(OFFICE)        when you have seen enough"

demo-hub: .venv/ready ## a co-op's hub that watches the demo office: both as virtual systems, what it hears, an alert
	@$(RUN) doctor --repair
	@.venv/bin/python -m tests.monitor.demo

demo-hub-down: .venv/ready ## take these two down again
	@.venv/bin/python -m tests.monitor.demo down

test: ## everything that lands, on real systems too: at most 30 minutes on 2 cores
	@$(TIMED) $(MAKE) --no-print-directory lint tools; .venv/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST)

unit: ## style, types, and everything that needs no lab: at most 4 minutes
	@$(TIMED) $(MAKE) --no-print-directory lint; $(call INSTALLED,pdftoppm strace cc brotli restic rclone $(SFTP)); .venv/bin/pytest -q -n 2 -m "not lab and not deep" $(PYTEST)

# What the tests look with, beside what labs need: a person's seat, a wrong clock, pages, a kill at a call, a mirror of one's own.
tools: .venv/ready
	@$(RUN) doctor --repair
	@$(call INSTALLED,smbclient cc pdftoppm strace gpg brotli restic rclone $(SFTP) wg wireguard-go nft)
	@# unpacked, not installed: the packages would start servers that everybody reaches
	@[ -x .venv/prometheus/usr/bin/vmagent ] || { mkdir -p .venv/prometheus && cd .venv/prometheus && \
	  apt-get download -q -q prometheus prometheus-alertmanager victoria-metrics && for p in *.deb; do dpkg -x "$$p" .; done && rm -f -- *.deb; }
	@# with the libraries it needs, but LLVM, which compiles queries
	@ls .venv/postgresql/usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || { mkdir -p .venv/postgresql && cd .venv/postgresql && \
	  v=$$(apt-cache depends postgresql | sed -n 's/.*Depends: \(postgresql-[0-9]*\)$$/\1/p') && apt-get download -q -q \
	  $$v postgresql-client-$${v##*-} libsasl2-2 $$(apt-cache depends $$v | sed -n 's/^ *|*Depends: \(lib[a-z0-9.+-]*\)$$/\1/p' | \
	  grep -vE '^lib(c6|gcc|llvm|elogind)' | sort -u) && for p in *.deb; do dpkg -x "$$p" .; done && rm -f -- *.deb; }
	@[ "$$(cat /proc/sys/fs/inotify/max_user_instances)" -ge 512 ] || $(SUDO) sysctl -qw fs.inotify.max_user_instances=1024  # many hosts

lint: .venv/ready ## style, types, directions of imports, roles
	@.venv/bin/ruff check . && .venv/bin/ruff format --check -q .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo 2>/dev/null || .venv/bin/lint-imports
	@.venv/bin/yamllint -s .
	@cd playbooks && ../.venv/bin/ansible-lint -q --offline

deep: tools ## what takes hours: every fault at every kind of task, second looks, graders, benches; goes on where it was stopped
	@.venv/bin/python -m tests.deep $(ROWS)  # ROWS=F1,grade: these alone; ROWS=table: what is noted, and how old it is

bench: .venv/ready ## the numbers of docs/numbers.md, as ratios measured in one run
	@$(RUN) doctor --repair
	@$(call INSTALLED,wrk)
	@.venv/bin/python tests/deep/bench.py

grade: .venv/ready ## how hard the machines are, by lynis, OpenSCAP and ssh-audit; writes the table of docs/hardening.md (SUITE=bookworm: only prints)
	@$(RUN) doctor --repair
	@.venv/bin/python tests/deep/grades.py $(SUITE)

clean: ## remove the environment
	@rm -rf --one-file-system .venv

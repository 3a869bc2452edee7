# shellcheck shell=bash
# Installs npm packages; sourced by the suites.

# packages SUITE FOLDER: the folder gets the packages that the suite's lock file pins, unless it has them already.
packages() {
	mkdir -p "$2"
	if ! cmp -s "$1/package-lock.json" "$2/package-lock.json" || [ ! -d "$2/node_modules" ]; then
		cp "$1/package.json" "$1/package-lock.json" "$2/"
		(cd "$2" && npm ci --silent --no-audit --no-fund)
	fi
}

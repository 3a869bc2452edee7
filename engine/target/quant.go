package target

import (
	"regexp"
	"strings"

	"homellm/dsl"
)

// packing is how names of models say how their weights are quantised.
var packing = regexp.MustCompile(`(?i)(?:^|[-._:/ ])((?:ud-)?i?q[2-8](?:_[a-z0-9]+)*|mxfp4(?:_[a-z0-9]+)*|nvfp4|bf16|fp16|f16|f32|fp8|` +
	`(?:gptq|awq)(?:-?int[348]|-[348]bit)?|int[48]|[48]-?bit|w[48]a(?:8|16))(?:$|[-._:/ ])`)

// quantOf is how the weights of the model are quantised, as far as that is certain: by the name that the server has for
// it, or by the files that homellm starts it with. Empty: not known.
func quantOf(cell *dsl.Cell, served string) string {
	name := strings.TrimSuffix(lastPart(served), ".gguf")
	if all := packing.FindAllStringSubmatch(name, -1); len(all) > 0 {
		return strings.ToLower(all[len(all)-1][1])
	}
	if !startedWith(cell) {
		return "" // what somebody else started under this name may be packed in any way
	}
	quant, _ := cell.ModelFact("quant")
	text, _ := quant.(string)
	return text
}

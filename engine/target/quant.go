package target

import (
	"regexp"
	"strings"

	"homellm/dsl"
)

// packing matches the quantisation in the names of models.
var packing = regexp.MustCompile(`(?i)(?:^|[-._:/ ])((?:ud-)?i?q[2-8](?:_[a-z0-9]+)*|mxfp4(?:_[a-z0-9]+)*|nvfp4|bf16|fp16|f16|f32|fp8|` +
	`(?:gptq|awq)(?:-?int[348]|-[348]bit)?|int[48]|[48]-?bit|w[48]a(?:8|16))(?:$|[-._:/ ])`)

// quantOf is the quantisation of the model's weights, if it is certain: from the server's name for the model, or from
// the files that homellm starts the server with. Empty: unknown.
func quantOf(cell *dsl.Cell, served string) string {
	name := strings.TrimSuffix(lastPart(served), ".gguf")
	if all := packing.FindAllStringSubmatch(name, -1); len(all) > 0 {
		return strings.ToLower(all[len(all)-1][1])
	}
	if !startedWith(cell) {
		return "" // a server that someone else started may have any quantisation under this name
	}
	quant, _ := cell.ModelFact("quant")
	text, _ := quant.(string)
	return text
}

package fleet

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/expr"
	"homellm/dsl/figure"
)

// Here describes this machine as a box that is in no fleet: it has neither a name nor labels.
func Here(host map[string]any) (b Box, err error) {
	data, err := json.Marshal(host) // the facts of other boxes come as JSON
	if err == nil {
		err = json.Unmarshal(data, &b.Host)
	}
	return b, err
}

// Fact returns a fact of the box by its name in requires.box. What a box does not say of itself is unknown.
func (b Box) Fact(path string) expr.Value {
	if name, ok := figure.CutLabel(path); ok {
		switch value, has := b.Labels[name]; {
		case has:
			return expr.Value{V: value}
		case b.Name == "":
			return expr.Value{Why: "labels are given to boxes of a fleet, and this machine is in none"}
		default:
			return expr.Value{Why: fmt.Sprintf("the box has no label %q", name)}
		}
	}
	name := strings.TrimPrefix(path, string(figure.BoxFacts)+".")
	switch name {
	case "name":
		if b.Name == "" {
			return expr.Value{Why: "boxes of a fleet have names, and this machine is in none"}
		}
		return expr.Value{V: b.Name}
	case "cpus":
		name = "cpu_threads"
	case "gpus":
		if b.Host == nil {
			break
		}
		return expr.Value{V: len(b.gpus())}
	case "gpu", "driver", "gpu_mem_mib":
		return b.ofGPUs(name)
	}
	if v, ok := b.Host[name]; ok {
		return expr.Value{V: v}
	}
	return expr.Value{Why: "the box does not say it"}
}

// gpus are the GPUs that the box can read.
func (b Box) gpus() (out []map[string]any) {
	all, _ := b.Host["gpus"].([]any)
	for _, g := range all {
		if gpu, ok := g.(map[string]any); ok {
			out = append(out, gpu)
		}
	}
	return out
}

// ofGPUs returns a fact of all GPUs together. If one does not say it, it is unknown of all.
func (b Box) ofGPUs(name string) expr.Value {
	var texts []string
	most := 0.0
	all := b.gpus()
	for _, gpu := range all {
		key := map[string]string{"gpu": "name", "driver": "driver", "gpu_mem_mib": "memory_mib"}[name]
		switch v := gpu[key].(type) {
		case string:
			if !slices.Contains(texts, v) {
				texts = append(texts, v)
			}
		case float64:
			most = max(most, v)
		default:
			return expr.Value{Why: "the driver of a GPU does not say it"}
		}
	}
	switch {
	case len(all) == 0:
		return expr.Value{Why: "the box has no GPU that can be read"}
	case texts != nil:
		return expr.Value{V: strings.Join(texts, ", ")}
	}
	return expr.Value{V: most}
}

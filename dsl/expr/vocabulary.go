package expr

import (
	"slices"
	"strings"

	"homellm/dsl/figure"
)

// Vocabulary is the names for expressions. The package that defines the metrics fills it; this package adds only what
// a scenario declares: its steps, vars, axes, server and model.
type Vocabulary struct {
	Turn         []Name // below turn., first_turn. and steps.<id>.
	Conversation []Name // below conv. and conversations.<id>.
	Run          []Name // below run.
	// of a whole cell, by full path, such as gpu.power_w; each also has statistics over its samples
	Cell []Name
}

// Name is one name for expressions.
type Name struct {
	Path      string // dotted, below its group: ttft_ms, cache.hit_rate
	Kind      Kind
	Unit      string
	Doc       string
	Rate      bool // a share from 0 to 1
	Signed    bool // may be negative
	Aggregate bool // of a turn: exists for a whole step, phase and conversation as well
	Better    int  // +1: higher is better, -1: lower is better, 0: neither
	Reported  bool // the server's replies must report it; whether they do is known before anything is measured
}

// Kind is the type of a value in an expression.
type Kind string

// The kinds.
const (
	Float  Kind = "float"  // float64
	Int    Kind = "int"    // int
	String Kind = "string" // string
	Bool   Kind = "bool"   // bool
)

// Words names a kind in messages.
func (k Kind) Words() string {
	return map[Kind]string{Float: "a number", Int: "a whole number", String: "text", Bool: "true or false"}[k]
}

func (k Kind) number() bool { return k == Float || k == Int }

// statistic is one figure of a distribution. Floor is the smallest sample that can bound it: the largest of n values
// lies above the q-quantile with probability 1 - q^n. For 95 % a p90 needs 29 values, a p95 needs 59 and a p99 needs
// 299.
type statistic struct {
	name  string
	kind  Kind
	floor int
}

var statistics = []statistic{
	{"n", Int, 0},
	{"n_unknown", Int, 0},
	{"min", Float, 0},
	{"mean", Float, 0},
	{"max", Float, 0},
	{"stddev", Float, 0},
	{"p50", Float, 0},
	{"p90", Float, 29},
	{"p95", Float, 59},
	{"p99", Float, 299},
}

// Statistics lists the statistics of a distribution, in the order shown.
func Statistics() []string {
	names := make([]string, len(statistics))
	for i, s := range statistics {
		names[i] = s.name
	}
	return names
}

// The names that this package knows without a vocabulary, because a servers file, a models file or the scenario
// declares them.
var (
	serverNames = []Name{
		{Path: "name", Kind: String, Doc: "name of the server's profile"},
		{Path: "engine", Kind: String, Doc: "engine of the server"},
		{Path: "version", Kind: String, Doc: "version that the server reports"},
		{Path: "context_tokens", Kind: Int, Unit: "tokens", Doc: "context that the server serves"},
	}
	modelNames = []Name{
		{Path: "name", Kind: String, Doc: "name of the model"},
		{Path: "quant", Kind: String, Doc: "quantisation of the model's files"},
		{Path: "template", Kind: String, Doc: "chat template of the model"},
		{Path: "context_tokens", Kind: Int, Unit: "tokens", Doc: "context that the model was trained for"},
	}
	boxNames = []Name{
		{Path: "name", Kind: String, Doc: "name of the box in its fleet"},
		{Path: "os", Kind: String, Doc: "operating system: linux, darwin or windows"},
		{Path: "arch", Kind: String, Doc: "processor architecture: amd64 or arm64"},
		{Path: "cpu", Kind: String, Doc: "model of the processor"},
		{Path: "cpus", Kind: Int, Doc: "processors that the operating system has, each thread counted"},
		{Path: "memory_mib", Kind: Int, Unit: "MiB", Doc: "memory of the machine"},
		{Path: "gpus", Kind: Int, Doc: "GPUs whose driver can be read; 0: there is none"},
		{Path: "gpu", Kind: String, Doc: "names of the GPUs, with commas between different ones"},
		{Path: "gpu_mem_mib", Kind: Int, Unit: "MiB", Doc: "memory of the GPU that has most"},
		{Path: "driver", Kind: String, Doc: "versions of the GPU drivers, with commas between different ones"},
	}
	turnsName = Name{Path: "turns", Kind: Int, Doc: "number of requests"}
)

// BoxFacts lists the facts of a box, by their names below box., which also has its labels.
func BoxFacts() []Name { return slices.Clone(boxNames) }

// nameTree holds names by the parts of their paths.
type nameTree struct {
	name  *Name // nil: a group
	parts map[string]*nameTree
	order []string
}

func newNameTree(names []Name) *nameTree {
	root := &nameTree{}
	for i := range names {
		t := root
		for part := range strings.SplitSeq(names[i].Path, ".") {
			t = t.grow(part)
		}
		t.name = &names[i]
	}
	return root
}

func (t *nameTree) grow(part string) *nameTree {
	if next := t.parts[part]; next != nil {
		return next
	}
	if t.parts == nil {
		t.parts = map[string]*nameTree{}
	}
	next := &nameTree{}
	t.parts[part] = next
	t.order = append(t.order, part)
	return next
}

// next is the tree of a part; nil: there is none. Where any objective may be named, any id is one.
func (t *nameTree) next(part string) *nameTree {
	if next := t.parts[part]; next != nil || !figure.IsID(part) {
		return next
	}
	return t.parts[figure.Objective]
}

// Names is a vocabulary in the form for look-ups. It is built once and shared by all assertions.
type Names struct {
	vocabulary Vocabulary

	levels    map[figure.Level]*nameTree
	perRepeat map[string]bool // names of a conversation with one value per repeat
	cell      *nameTree
}

// OfObjectives are the names for a scenario with these objectives. Those for any objective become one for each.
func (n *Names) OfObjectives(objectives []string) *Names {
	each := func(all []Name) (out []Name) {
		for _, name := range all {
			if _, ok := figure.OfObjective(name.Path, ""); !ok {
				out = append(out, name)
				continue
			}
			for _, o := range objectives {
				one := name
				one.Path, _ = figure.OfObjective(name.Path, o)
				out = append(out, one)
			}
		}
		return out
	}
	v := n.vocabulary
	return NewNames(Vocabulary{Turn: each(v.Turn), Conversation: each(v.Conversation), Run: each(v.Run), Cell: v.Cell})
}

// NewNames prepares a vocabulary. Names for any objective are known with every id.
func NewNames(v Vocabulary) *Names {
	var aggregate []Name
	for _, n := range v.Turn {
		if n.Aggregate {
			aggregate = append(aggregate, n)
		}
	}
	conversation := v.Conversation
	have := map[string]bool{}
	for _, n := range conversation {
		have[n.Path] = true
	}
	for _, n := range aggregate {
		if !have[n.Path] {
			conversation = append(slices.Clip(conversation), n)
		}
	}
	return &Names{
		vocabulary: v,
		levels: map[figure.Level]*nameTree{
			figure.TurnLevel:         newNameTree(v.Turn),
			figure.AggregateLevel:    newNameTree(aggregate),
			figure.StepLevel:         newNameTree(append([]Name{turnsName}, aggregate...)),
			figure.ConversationLevel: newNameTree(conversation),
			figure.RunLevel:          newNameTree(v.Run),
			figure.ServerFacts:       newNameTree(serverNames),
			figure.ModelFacts:        newNameTree(modelNames),
			figure.BoxFacts:          newNameTree(boxNames),
		},
		perRepeat: have,
		cell:      newNameTree(v.Cell),
	}
}

// LiteralKind returns the kind of a literal.
func LiteralKind(v any) Kind {
	switch v.(type) {
	case float64:
		return Float
	case int:
		return Int
	case string:
		return String
	case bool:
		return Bool
	}
	return ""
}

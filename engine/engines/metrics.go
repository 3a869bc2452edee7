package engines

import (
	"slices"
	"strconv"
	"strings"
)

// Metrics are the names of an engine's Prometheus metrics in all its versions: of several names the first that exists
// counts.
type Metrics struct {
	Path     string
	Of       func(model string) string // path of one model's metrics, if each has its own; nil: one path for all
	Timings  []Timing
	Counts   []Count
	Finished []string // counter of ended requests, however they ended
	InFlight []string // gauges whose sum is the requests running and waiting
	Prompt   string   // counter of prompt tokens
	Whole    bool     // Prompt includes cached tokens
	Output   string   // counter of generated tokens
	Cached   []CachedBy
	Config   CacheConfig
	InReply  bool // every reply reports the same, and more precisely
}

// Timing maps a metric of homellm to the server's metric.
type Timing struct {
	Metric     string // in milliseconds
	Histograms []string
	Counter    string // seconds; if there is no histogram
}

// Count maps one metric of homellm to a counter of the server. Of several for one metric the first that exists counts.
type Count struct {
	Metric  string
	Counter string
	Keep    func(label func(string) string) bool // which of its series count; nil: all
}

// labelled keeps the series of which a label has one of some values.
func labelled(name string, values ...string) func(label func(string) string) bool {
	return func(label func(string) string) bool { return slices.Contains(values, label(name)) }
}

// The figures that say which of a server's caches prompt tokens came from.
const (
	fromLocal    = "cache.local_tokens"    // the memory of the processor that computes
	fromHost     = "cache.host_tokens"     // the memory of the machine
	fromStorage  = "cache.storage_tokens"  // disks and stores
	fromExternal = "cache.external_tokens" // elsewhere, and the server does not say where
)

// CachedBy computes the cached tokens of the single request between two scrapes. Its prompt tokens are nil if the
// reply does not report them.
type CachedBy struct {
	Family string // shown as the source
	Count  func(g Growth, prompt *int) (n float64, ok bool)
}

// Growth is the difference between two scrapes.
type Growth interface {
	// Sum is the growth of a counter over the series that keep accepts (nil: all). Keep gets their labels by name.
	Sum(name string, keep func(label func(string) string) bool) (float64, bool)
	// Exact is Sum for a counter that is printed with six significant digits.
	Exact(name string) (float64, bool)
	// Histogram is the growth of a histogram's sum and count.
	Histogram(name string) (sum, count float64, ok bool)
}

// Exposition is one scrape.
type Exposition interface {
	// Has reports whether there is a counter or gauge of that name.
	Has(name string) bool
	// Label is a label of the first series of a family.
	Label(family, name string) (string, bool)
}

// CacheConfig says which labels of one series describe the prefix cache. If the family is empty, none do.
type CacheConfig struct {
	Family  string
	Block   string // label with the tokens of a block
	Caching string // label that says whether prompts are cached
}

// label is a label of the configuration. vLLM writes the word None for an unset one.
func (c CacheConfig) label(x Exposition, name string) (string, bool) {
	if c.Family == "" {
		return "", false
	}
	v, ok := x.Label(c.Family, name)
	return v, ok && v != "" && v != "None"
}

// BlockTokens is how many tokens one block of the prefix cache holds.
func (c CacheConfig) BlockTokens(x Exposition) (int, bool) {
	text, ok := c.label(x, c.Block)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n > 0 && n <= mostBlockTokens
}

// Off reports that the server says its prefix cache is off. False means that it is on, or that the server does not
// say.
func (c CacheConfig) Off(x Exposition) bool {
	on, ok := c.label(x, c.Caching)
	return ok && strings.EqualFold(on, "false")
}

// Families lists the metric families that count cached tokens.
func (m *Metrics) Families() string {
	all := make([]string, len(m.Cached))
	for i, c := range m.Cached {
		all[i] = c.Family
	}
	return strings.Join(all, ", ")
}

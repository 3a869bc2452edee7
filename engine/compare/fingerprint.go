package compare

import (
	"fmt"
	"slices"
	"strings"

	"homellm/engine/metrics"
)

// Fingerprint is the circumstances of a side's measurement, by key. An unknown circumstance has no key.
type Fingerprint map[string]string

// Key is one circumstance.
type Key struct {
	Name, Doc string
	// measured while the side was played, so it differs slightly each time: differences are reported, and it cannot be
	// asked to match
	Measured bool
}

// OptionsKey are the flags of a side that change what is sent.
const OptionsKey = "scenario.options"

// The keys that the code uses by name.
const (
	scenarioDigest = "scenario.digest"
	scenarioSum    = "scenario.sha256"
	homellmVersion = "homellm.version"
	throttledShare = "gpu.throttled"
)

// FingerprintKeys lists the keys in the order in which they are shown.
var FingerprintKeys = []Key{
	{scenarioDigest, "what one repeat sends, however the file says it", false},
	{scenarioSum, "the bytes of the scenario and of every document it reads", false},
	{OptionsKey, "flags that change what is sent: --var, --context-size, tags", false},
	{"gpu.name", "the graphics cards", false},
	{"gpu.memory", "their memory", false},
	{"gpu.power_limit", "the power that they may draw", false},
	{"driver.version", "their driver", false},
	{"cpu.name", "the processor", false},
	{"cpu.cores", "its cores, and threads where these are more", false},
	{"cpu.governor", "what chooses its clock", false},
	{"host.memory", "the memory of the machine", false},
	{"host.power_profile", "the power profile of the machine's firmware", false},
	{"host.power_source", "mains or battery", false},
	{"host.system", "the operating system", false},
	{"server.engine", "vllm, llamacpp, …", false},
	{"server.version", "as the server reports it", false},
	{"server.address", "where it answers: loopback, private network or public", false},
	{"server.context_tokens", "the context that it serves", false},
	{"server.flags_sha256", "of the command line, where homellm started the server", false},
	{"server.simulated", "whether homellm's simulator answered: yes or no", false},
	{"server.simulation", "what is simulated; only of the embedded simulator", false},
	{"model", "as the server calls it", false},
	{"model.quant", "how its weights are quantised, where that is certain", false},
	{"model.revision", "as the models file pins it", false},
	{homellmVersion, "which version of homellm", false},
	{"gpu.clock", "of the cores of the fastest card, on average", true},
	{"gpu.memory_clock", "of the memory of the fastest card, on average", true},
	{throttledShare, "share of samples in which a card slowed itself down for heat or power", true},
}

// MatchKeys are the keys that a gates file may require to match.
func MatchKeys() []string {
	var out []string
	for _, k := range FingerprintKeys {
		if !k.Measured {
			out = append(out, k.Name)
		}
	}
	return out
}

// DefaultMatch are the keys that must match if the gates file does not say. The server's version and flags are not
// among them, because they are what users change and compare.
var DefaultMatch = []string{scenarioDigest, OptionsKey, "gpu.name", "driver.version", "cpu.name",
	"server.engine", "server.simulation", "model", "model.revision"}

// put stores a known value.
func (f Fingerprint) put(key, value string) {
	if value != "" {
		f[key] = value
	}
}

// FingerprintOf returns the circumstances in which a cell was measured.
func FingerprintOf(c *metrics.Cell) Fingerprint {
	f := Fingerprint{}
	f.put(scenarioDigest, c.Planned.Does)
	if run := c.Run(); run != nil {
		f.put(scenarioSum, run.Started.Scenario.SHA256)
		f.put(OptionsKey, strings.Join(sending(run.Started.Options), " "))
		f.put(homellmVersion, run.Started.Homellm)
	}
	f.machine(c.Host())
	f.clocks(c)
	if c.Started == nil {
		return f
	}
	s := c.Started.Server
	f.put("server.engine", s.Engine)
	f.put("server.version", s.Version)
	f.put("server.address", s.Address)
	if s.ContextTokens != nil {
		f.put("server.context_tokens", fmt.Sprint(*s.ContextTokens))
	}
	f.put("server.flags_sha256", s.Flags)
	f.put("server.simulated", map[bool]string{true: "yes", false: "no"}[s.Simulated])
	f.put("server.simulation", s.Simulation)
	f.put("model", s.Model)
	f.put("model.quant", s.Quant)
	f.put("model.revision", s.Revision)
	return f
}

// sending are the options that may change what is sent.
func sending(options []string) []string {
	var out []string
	for _, o := range options {
		name, _, _ := strings.Cut(o, "=")
		if !slices.Contains([]string{"--repeats", "--server", "--variant", "--for", "--where", "--model", "--url",
			"--budget"}, name) {
			out = append(out, o)
		}
	}
	return out
}

// Mismatch is one key in which two fingerprints differ. An empty value is unknown.
type Mismatch struct {
	Key  string `json:"key"`
	Old  string `json:"old"`
	New  string `json:"new"`
	Note string `json:"note,omitempty"` // the name of the difference, such as a downgrade; empty: it has none
}

func (m Mismatch) String() string {
	shown := func(v string) string {
		switch {
		case v == "":
			return "not known"
		case len(v) == 64 && (strings.HasSuffix(m.Key, "sha256") || m.Key == scenarioDigest):
			return v[:12] + "…"
		}
		return v
	}
	out := fmt.Sprintf("%s: %s -> %s", m.Key, shown(m.Old), shown(m.New))
	if m.Note != "" {
		out += " (" + m.Note + ")"
	}
	return out
}

// Texts returns mismatches as printed texts.
func Texts(all []Mismatch) []string {
	var out []string
	for _, m := range all {
		out = append(out, m.String())
	}
	return out
}

// Mismatches lists the keys in which f and the newer fingerprint differ. A key that only one of them knows is a
// mismatch.
func (f Fingerprint) Mismatches(newer Fingerprint, keys []string) []Mismatch {
	var out []Mismatch
	for _, k := range f.identifying(newer, keys) {
		if a, b := f.compared(newer, k); a != b {
			out = append(out, f.difference(newer, k))
		}
	}
	return out
}

// beforeDigests is the note if a side does not have the digest of what its scenario sends.
const beforeDigests = "a side was measured by an earlier version, which did not keep what a scenario sends: the " +
	"bytes of " +
	"its file must match instead, so even a changed comment makes it another scenario; a new run and a new baseline " +
	"keep it"

// digested says whether both sides have the digest of what their scenario sends.
func (f Fingerprint) digested(newer Fingerprint) bool {
	return f[scenarioDigest] != "" && newer[scenarioDigest] != ""
}

// identifying are the keys to compare: if a side has no digest of what its scenario sends, the bytes of the
// scenario's file.
func (f Fingerprint) identifying(newer Fingerprint, keys []string) []string {
	i := slices.Index(keys, scenarioDigest)
	if i < 0 || f.digested(newer) {
		return keys
	}
	out := slices.Clone(keys)
	if slices.Contains(keys, scenarioSum) {
		return slices.Delete(out, i, i+1)
	}
	out[i] = scenarioSum
	return out
}

// compared are the values of a key that have to be equal. The digest covers the effect of an option on what is sent,
// but not the context that it requests.
func (f Fingerprint) compared(newer Fingerprint, key string) (old, new string) {
	old, new = f[key], newer[key]
	if key == OptionsKey && f.digested(newer) {
		return beyondDigest(old), beyondDigest(new)
	}
	return old, new
}

// beyondDigest is the option of a side that changes the server and not what is sent.
func beyondDigest(options string) string {
	for o := range strings.FieldsSeq(options) {
		if strings.HasPrefix(o, "--context-size=") {
			return o
		}
	}
	return ""
}

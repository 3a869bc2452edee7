package listing

import (
	"fmt"
	"io"
	"strings"

	"homellm/engine/catalog"
	"homellm/engine/hub"
	"homellm/engine/report"
	"homellm/engine/server"
	"homellm/engine/text"
)

// Models lists the models that are known, what of them is downloaded, and what fits a GPU.
type Models struct {
	Schema        string  `json:"schema"`
	GPU           *GPU    `json:"gpu"`
	ContextTokens int     `json:"context_tokens"` // that the fits are for
	Models        []Model `json:"models"`
	Others        []Other `json:"others"`
	Unknown       unknown `json:"unknown"`
}

// GPU is the one that fits are for.
type GPU struct {
	Name        string  `json:"name"`
	MemoryBytes float64 `json:"memory_bytes"`
}

// Model is a source of a model.
type Model struct {
	Model         string   `json:"model"`
	Source        string   `json:"source"`
	Repo          string   `json:"repo"`
	Quant         *string  `json:"quant"`
	Downloaded    string   `json:"downloaded"`
	HereBytes     int64    `json:"here_bytes"`
	SizeBytes     *float64 `json:"size_bytes"`
	SizeEstimated bool     `json:"size_estimated"`
	Fit           *Fit     `json:"fit"`
	Unknown       unknown  `json:"unknown"`

	state catalog.State
	fits  string // in words
}

// Fit says whether a model fits the GPU.
type Fit struct {
	OK               bool    `json:"ok"`
	NeedBytes        float64 `json:"need_bytes"`
	UsableBytes      float64 `json:"usable_bytes"`
	MaxContextTokens int     `json:"max_context_tokens"`
}

// Other is a repository that was downloaded and that is in no models file.
type Other struct {
	Repo            string `json:"repo"`
	HereBytes       int64  `json:"here_bytes"`
	UnfinishedBytes int64  `json:"unfinished_bytes"`
}

// OfModels lists what a catalogue offers for a GPU with the given memory in bytes; 0: there is no GPU.
func OfModels(c *catalog.Catalog, gpu string, vram float64) (Models, error) {
	d := Models{Schema: schemaOf("models-list"), ContextTokens: catalog.UsualContext, Models: []Model{}, Others: []Other{},
		Unknown: unknown{}}
	if vram > 0 {
		d.GPU = &GPU{gpu, vram}
	} else {
		d.Unknown["gpu"] = "no GPU was found; --vram GIB says what would fit one"
	}
	stored, err := c.Stored()
	if err != nil {
		return d, err
	}
	here := map[string]hub.Stored{}
	for _, one := range stored {
		here[one.Repo] = one
	}
	known := map[string]bool{} // several sources may be of one repository
	for _, o := range c.Offers() {
		known[o.Source.Repo] = true
		d.Models = append(d.Models, ofOffer(c, o, here[o.Source.Repo], vram))
	}
	for _, one := range stored {
		if !known[one.Repo] {
			d.Others = append(d.Others, Other{one.Repo, one.Bytes, one.Unfinished})
		}
	}
	return d, nil
}

func ofOffer(c *catalog.Catalog, o catalog.Offer, here hub.Stored, vram float64) Model {
	out := Model{Model: o.Model.Name, Source: o.Source.Name, Repo: o.Source.Repo, Unknown: unknown{}, fits: "–"}
	out.Quant = server.OrWhy(out.Unknown, "quant", o.Source.Quant, "the models file does not say")
	out.state, out.HereBytes = c.State(o, here)
	out.Downloaded = strings.ReplaceAll(string(out.state), " ", "_")
	if bytes, estimated := o.Size(); bytes > 0 {
		out.SizeBytes, out.SizeEstimated = &bytes, estimated
	} else {
		out.Unknown["size_bytes"] = "the models file gives neither sizes nor an architecture"
	}
	if vram == 0 {
		out.Unknown["fit"] = "no GPU was found"
		return out
	}
	f, err := o.Fit(catalog.UsualContext, vram)
	if err != nil {
		out.Unknown["fit"], out.fits = err.Error(), "?"
		return out
	}
	out.Fit, out.fits = &Fit{f.OK, f.Need, f.Usable, f.MaxContext}, "no"
	if f.MaxContext > 0 {
		out.fits = fmt.Sprintf("to %d", f.MaxContext) // in few words: rows stay within 80 columns
	}
	return out
}

// WriteText implements [Document].
func (d Models) WriteText(w io.Writer) error {
	if d.GPU != nil {
		fmt.Fprintf(w, "%s, %.1f GiB; a model fits with a context of so many tokens\n", d.GPU.Name, d.GPU.MemoryBytes/(1<<30))
	} else {
		fmt.Fprintln(w, d.Unknown["gpu"])
	}
	var rows [][]string
	for _, m := range d.Models {
		rows = append(rows, m.row())
	}
	for _, o := range d.Others {
		state := "here, " + text.Bytes(float64(o.HereBytes))
		if o.UnfinishedBytes > 0 {
			state = "interrupted, " + text.Bytes(float64(o.HereBytes+o.UnfinishedBytes))
		}
		rows = append(rows, []string{o.Repo, "", "", state, "in no models file", ""})
	}
	return report.Columns(w, []string{"model", "source", "quant", "here", "fits", "size"}, rows, 5)
}

func (m Model) row() []string {
	quant, state, size := "?", string(m.state), "?"
	if m.Quant != nil {
		quant = *m.Quant
	}
	if m.state != catalog.Absent {
		state += ", " + text.Bytes(float64(m.HereBytes))
	}
	if m.SizeBytes != nil {
		size = text.Bytes(*m.SizeBytes)
		if m.SizeEstimated {
			size = "≈ " + size
		}
	}
	return []string{m.Model, m.Source, quant, state, m.fits, size}
}

package catalog

import (
	"cmp"
	"context"
	"errors"

	"homellm/engine/host"
	"homellm/engine/model"
	"homellm/engine/prompt"
)

// UsualContext is the context size of a fit: enough for the longest shipped scenario.
const UsualContext = 16384

// weights is the size of an offer's files as the models file gives it, exactly or as it is published; 0 if it does not.
func (o Offer) weights() (bytes float64, exact bool) {
	for _, f := range o.Source.Files {
		if f.Bytes == 0 {
			return o.Source.Size, false
		}
		bytes += float64(f.Bytes)
	}
	return cmp.Or(bytes, o.Source.Size), bytes > 0
}

// Fit says whether an offer fits a card, with a context of a number of tokens or the whole trained context. An extended
// context is not considered, because it needs flags of the server.
func (o Offer) Fit(context int, vram float64) (model.Fit, error) {
	most := o.Model.Context.Trained
	if o.Model.Architecture == nil {
		return model.Fit{}, errors.New("its architecture is not in the models file")
	}
	q, err := model.QuantOf(cmp.Or(o.Source.Quant, "bf16"))
	if err != nil {
		return model.Fit{}, err
	}
	weights, _ := o.weights()
	f, err := model.Fits(
		model.Architecture(*o.Model.Architecture),
		q,
		min(context, most),
		vram,
		model.FitOptions{WeightBytes: weights},
	)
	f.MaxContext = min(f.MaxContext, most)
	return f, err
}

// Card is the memory of the machine's largest GPU in bytes, and its name; 0 if there is none.
func Card(ctx context.Context) (bytes float64, name string) {
	machine := host.OpenTelemetry(ctx, host.Options{})
	defer machine.Close()
	for _, g := range machine.GPUs() {
		if b := g.MemoryMiB * (1 << 20); b > bytes {
			bytes, name = b, g.Name
		}
	}
	return bytes, name
}

// Size is the size of an offer's files in bytes, from the models file or estimated from its architecture; 0 if
// neither is possible.
func (o Offer) Size() (bytes float64, estimated bool) {
	if known, exact := o.weights(); known > 0 {
		return known, !exact
	}
	a := o.Model.Architecture
	if q, err := model.QuantOf(cmp.Or(o.Source.Quant, "bf16")); a != nil && err == nil {
		return model.WeightBytes(model.Architecture(*a), q), true
	}
	return 0, false
}

// Recommend picks an offer for a card by its memory in bytes, and says why; 0 means no card.
func (c *Catalog) Recommend(templates *prompt.Templates, vram float64) (best Offer, why string, ok bool) {
	better := func(a, b Offer) bool { // more parameters, then more bits
		pa, pb := a.Model.Architecture.Parameters, b.Model.Architecture.Parameters
		if vram == 0 {
			return pa < pb
		}
		if pa != pb {
			return pa > pb
		}
		qa, _ := model.QuantOf(a.Source.Quant)
		qb, _ := model.QuantOf(b.Source.Quant)
		return qa.Block > qb.Block
	}
	for _, o := range c.Offers() {
		if !o.suitable(templates) {
			continue
		}
		said := "the smallest, for the processor alone"
		if vram > 0 {
			fit, err := o.Fit(UsualContext, vram)
			if err != nil || !fit.OK {
				continue
			}
			said = fit.String()
		} else if o.Source.Format != "gguf" {
			continue // engines on a CPU need GGUF
		}
		if !ok || better(o, best) {
			best, why, ok = o, said, true
		}
	}
	return best, why, ok
}

// suitable says whether an offer can be recommended: no licence has to be accepted, the trained context is at least
// the usual one, and a prefix cache can reuse its prompts.
func (o Offer) suitable(templates *prompt.Templates) bool {
	t := templates.Of(o.Model)
	if o.Source.Gated || o.Model.Context.Trained < UsualContext || o.Model.Architecture == nil || o.Source.Quant == "" ||
		t == nil {
		return false
	}
	stable, err := t.Stable(model.Probe(), model.Options{}, nil)
	return err == nil && stable.OK
}

package sim

import (
	"slices"
	"strings"
)

// calling assigns the parts of calls to the tokens that carry them, and leaves only plain text in texts.
func (r *reply) calling(calls []Call) {
	if len(calls) == 0 {
		return
	}
	plainEnd := strings.Index(r.text, callOpen)
	if plainEnd < 0 {
		return // the reply was cut before the first call
	}
	r.parts = make([][]piece, len(r.tokens))
	begun := make([]bool, len(calls))
	at := 0
	for i := range r.tokens {
		if i < r.reasoning {
			continue
		}
		from, to := at, at+len(r.texts[i])
		at = to
		r.texts[i] = r.text[min(from, plainEnd):min(to, plainEnd)]
		if r.texts[i] != "" {
			r.parts[i] = append(r.parts[i], piece{text: r.texts[i], call: -1})
		}
		open := plainEnd
		for k, c := range calls {
			written, arguments := c.written()
			first, end := open+arguments, open+arguments+len(c.Arguments)
			if to > first && !begun[k] {
				begun[k] = true
				r.parts[i] = append(r.parts[i], piece{call: k, begins: true})
			}
			if a, b := max(from, first), min(to, end); a < b {
				r.parts[i] = append(r.parts[i], piece{call: k, text: r.text[a:b]})
			}
			open += len(written) + len("\n")
		}
	}
	r.calls = calls[:len(slices.DeleteFunc(begun, func(b bool) bool { return !b }))]
	r.text = strings.TrimSuffix(r.text[:plainEnd], "\n")
	if r.finish == "stop" {
		r.finish = "tool_calls"
	}
}

// said returns the content of tokens from..i, in order. In a reply without calls it is always one piece.
func (r *reply) said(from, i int) (out []piece) {
	if r.parts == nil {
		return []piece{{text: strings.Join(r.texts[from:i+1], ""), thought: i < r.reasoning, call: -1}}
	}
	for j := from; j <= i; j++ {
		parts := r.parts[j]
		if j < r.reasoning {
			parts = []piece{{text: r.texts[j], thought: true, call: -1}}
		}
		for _, p := range parts {
			if n := len(out) - 1; n >= 0 && !p.begins && !out[n].begins && out[n].call == p.call && out[n].thought == p.thought {
				out[n].text += p.text
				continue
			}
			out = append(out, p)
		}
	}
	return out
}

// silent reports whether a token has no content, because it belongs to the markup around a call.
func (r *reply) silent(i int) bool { return r.parts != nil && i >= r.reasoning && len(r.parts[i]) == 0 }

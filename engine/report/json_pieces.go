package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"homellm/engine/large"
	"homellm/engine/metrics"
)

// pieces writes a JSON document piece by piece, with the layout of a document that is encoded at once.
type pieces struct {
	w   io.Writer
	err error // the first error; nothing is written after it
}

// put writes a piece of JSON.
func (p *pieces) put(text []byte) {
	if p.err == nil {
		_, p.err = p.w.Write(jsonText(text))
	}
}

// text is a value as encoded at an indent.
func (p *pieces) text(v any, indent string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent(indent, "  ")
	if err := e.Encode(v); err != nil && p.err == nil {
		p.err = fmt.Errorf("encoding the result: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// turn writes a turn, whose text may be large.
func (p *pieces) turn(t jsonTurn, indent string) {
	var parts large.Parts
	parts.Cut(&t.Text)
	encoded := p.text(t, indent)
	if p.err == nil {
		p.err = parts.Write(writerOf(p.put), encoded)
	}
}

// writerOf adapts a function to io.Writer; the pieces keep the error.
type writerOf func([]byte)

func (f writerOf) Write(b []byte) (int, error) {
	f(b)
	return len(b), nil
}

// object writes an object. An empty member with an entry in parts is written by that function, which gets its indent.
func (p *pieces) object(v any, indent, end string, parts map[string]func(indent string)) {
	rest := p.text(v, indent)
	for len(rest) > 0 && p.err == nil {
		_, after, _ := bytes.Cut(rest, []byte("\n"))
		line := rest[:len(rest)-len(after)]
		rest = after
		key, open, shut := emptyList(line, indent)
		part := parts[key]
		if part == nil {
			p.put(line)
			continue
		}
		p.put(open)
		part(indent + "    ")
		p.put([]byte("\n" + indent + "  "))
		p.put(shut)
	}
	p.put([]byte(end))
}

// emptyList parses a line such as `  "cells": [],`: an empty list or object that is a member of an object at an
// indent.
func emptyList(line []byte, indent string) (key string, open, shut []byte) {
	rest, ok := bytes.CutPrefix(line, []byte(indent+"  \""))
	name, value, cut := bytes.Cut(rest, []byte("\": "))
	if !ok || !cut || len(value) < 2 || string(value[:2]) != "[]" && string(value[:2]) != "{}" {
		return "", nil, nil
	}
	at := len(line) - len(value) + 1
	return string(name), line[:at], line[at:]
}

// item begins the next item of a list or an object.
func (p *pieces) item(i int, indent string) {
	if i > 0 {
		p.put([]byte(","))
	}
	p.put([]byte("\n" + indent))
}

// cell writes a cell, the largest part of the document: an entry for each turn, and one for each metric of each
// group.
func (p *pieces) cell(r *metrics.Run, c *metrics.Cell, i int, indent string, far *steady) {
	p.item(i, indent)
	parts := map[string]func(string){}
	if passes := c.Passes(); len(passes) > 0 {
		parts["repeats"] = func(indent string) {
			for i, pass := range passes {
				p.item(i, indent)
				p.object(jsonRepeat{N: pass[0].Repeat, Warmup: pass[0].Warmup, Turns: []jsonTurn{}}, indent, "",
					map[string]func(string){"turns": func(indent string) {
						for i, q := range pass {
							p.item(i, indent)
							p.turn(turnJSON(c, q), indent)
							far.add(1)
						}
					}})
			}
		}
	}
	summaries := summarise(r, c)
	slices.SortFunc(summaries, func(a, b summary) int { return cmp.Compare(a.path, b.path) })
	if len(summaries) > 0 {
		parts["metrics"] = func(indent string) {
			for i, s := range summaries {
				p.item(i, indent)
				p.put(append(p.text(s.path, indent), ": "...))
				p.put(p.text(metricJSON(s), indent))
				far.share(i, len(summaries), len(c.Requests))
			}
		}
	}
	p.object(cellJSON(c), indent, "", parts)
}

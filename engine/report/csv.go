package report

import (
	"cmp"
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
)

// identity is the first columns of both CSV files.
var identity = []string{"run", "scenario", "cell", "server", "model", "labels", "simulated"}

func identify(r *metrics.Run, c *metrics.Cell) []string {
	var server, model string
	var labels []string
	for _, l := range c.Labels() {
		switch l.Name {
		case "server":
			server = l.Value
		case "model":
			model = l.Value
		}
		labels = append(labels, l.Name+"="+l.Value)
	}
	return []string{csvText(r.Started.ID), csvText(r.Started.Scenario.Name), csvText(c.ID), csvText(server),
		csvText(model),
		csvText(strings.Join(labels, ";")), strconv.FormatBool(c.Simulated())}
}

// turnsCSV writes one row per request, in the order they ended. An unknown number is an empty field.
func turnsCSV(b io.Writer, r *metrics.Run, opt Options) error {
	head := append([]string{}, identity...)
	head = append(head, "repeat", "warmup", "conversation", "step", "turn", "action", "phase", "ok", "error",
		"error_message",
		"finish_reason", "cache_source", "due_ms", "done_ms")
	var defs []*metrics.Def
	for i := range metrics.Defs {
		if d := &metrics.Defs[i]; d.At(metrics.TurnLevel) && d.Numeric() {
			defs = append(defs, d)
			head = append(head, d.Name)
		}
	}
	users := slices.ContainsFunc(r.Cells, func(c *metrics.Cell) bool { return c.Planned.Users > 0 })
	if users {
		head = append(head, "user")
	}
	items := slices.ContainsFunc(r.Started.Scenario.Conversations, func(c event.Conversation) bool { return c.Items > 0 })
	if items {
		head = append(head, "item")
	}
	timed := r.Started.Scenario.Duration > 0
	if timed {
		head = append(head, "play")
	}
	w := csv.NewWriter(b)
	_ = w.Write(head) // Flush keeps the first error
	far := progressOf(r, 1, opt)
	for _, c := range r.Cells {
		id := identify(r, c)
		for _, q := range c.Requests {
			row := append(append([]string{}, id...), turnRow(c, q, defs)...)
			if users {
				row = append(row, strconv.Itoa(q.User))
			}
			if items {
				row = append(row, numberText(q.Item))
			}
			if timed {
				row = append(row, numberText(q.Play))
			}
			_ = w.Write(row)
			far.add(1)
		}
	}
	w.Flush()
	return w.Error()
}

func turnRow(c *metrics.Cell, q *event.Request, defs []*metrics.Def) []string {
	class, message := "", ""
	if q.Err != nil {
		class, message = q.Err.Class, q.Err.Message
	}
	row := []string{
		strconv.Itoa(q.Repeat), strconv.FormatBool(q.Warmup), csvText(q.Conversation), csvText(q.Step), strconv.Itoa(q.Turn),
		csvText(q.Action), csvText(q.Phase), strconv.FormatBool(q.Err == nil), csvText(class), csvText(message),
		csvText(q.Finish), csvText(cmp.Or(q.CacheSource, "none")), readable.Number(1000 * q.Due.Seconds()),
		readable.Number(1000 * q.Done.Seconds()),
	}
	for _, d := range defs {
		field := ""
		if v, ok := d.Each(c, q).Number(); ok {
			field = readable.Number(v)
		}
		row = append(row, field)
	}
	return row
}

// numberText is a number that counts from 1, as those of items and plays; empty: the turn has none.
func numberText(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// summaryCSV writes one row per cell, group and metric.
func summaryCSV(b io.Writer, r *metrics.Run, opt Options) error {
	head := append([]string{}, identity...)
	head = append(head, "group", "name", "metric", "unit", "better")
	for _, s := range metrics.Stats {
		if s.Name != "n_turns" { // added later: the positions of older columns do not change
			head = append(head, s.Name)
		}
	}
	head = append(head, "source", "why", "n_turns")
	w := csv.NewWriter(b)
	_ = w.Write(head) // Flush keeps the first error
	far := progressOf(r, 1, opt)
	for _, c := range r.Cells {
		id := identify(r, c)
		summaries := summarise(r, c)
		for i, s := range summaries {
			dist := s.dist()
			far.share(i, len(summaries), len(c.Requests))
			row := append(append([]string{}, id...), s.group, csvText(s.name), s.def.Name, s.def.Unit,
				strconv.Itoa(s.def.Better))
			for _, stat := range metrics.Stats {
				if stat.Name == "n_turns" {
					continue
				}
				field := ""
				if v, why := dist.Sound(stat.Name); why == "" {
					field = readable.Number(v)
				}
				row = append(row, field)
			}
			_ = w.Write(append(row, csvText(s.def.Source), csvText(dist.Why), strconv.Itoa(dist.Turns)))
		}
	}
	w.Flush()
	return w.Error()
}

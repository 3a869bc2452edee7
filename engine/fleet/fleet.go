// Package fleet decides how a run is divided among machines, and puts together what they played.
//
// The input is a plan, the boxes that are there and the journals of what they played; the output is jobs, which of
// them are offered to which boxes, and the events of the run. It sends and receives nothing, and plays nothing:
// engine/fleet/bus carries jobs and journals.
package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"homellm/dsl"
)

// Protocol is the version of what coordinators, brokers and workers say to each other. All of a fleet must speak the
// same.
const Protocol = 1

// Job is what one box plays at a time: a cell, or cells that are compared with each other in pairs.
type Job struct {
	ID    string `json:"id"`
	Run   string `json:"run"`
	Cells []Cell `json:"cells"`
	Order Order  `json:"order"`
	Box   string `json:"box,omitempty"` // that must play it; empty: any may

	conditions []*condition // that the box must meet
}

// Cell is a cell of a job. A box finds it in its own plan by its labels, because the profiles of a box are its own.
type Cell struct {
	ID     string      `json:"id"` // in the plan of the run
	Labels []dsl.Label `json:"labels"`
}

// Order is what a box plays, and how: the scenario and the options that decided the plan.
type Order struct {
	File             string        `json:"file"`  // the name of the scenario's file
	Files            []Document    `json:"files"` // the first is the scenario, the others are in its folder
	Servers          []string      `json:"servers"`
	Model            string        `json:"model,omitempty"`
	Vars             []string      `json:"vars,omitempty"`
	Repeats          int           `json:"repeats,omitempty"`
	ContextSize      int           `json:"context_size,omitempty"`
	MaxConversations int           `json:"max_conversations,omitempty"`
	IncludeTags      []string      `json:"include_tags,omitempty"`
	ExcludeTags      []string      `json:"exclude_tags,omitempty"`
	FailFast         bool          `json:"fail_fast,omitempty"`
	NoSim            bool          `json:"no_sim,omitempty"`
	ExactTokens      bool          `json:"exact_tokens,omitempty"`
	Alternating      bool          `json:"alternating,omitempty"` // the servers are played in turn, as ab does
	ServerLogs       bool          `json:"server_logs,omitempty"` // those of the servers that the box starts are wanted
	Longest          time.Duration `json:"longest_ns"`            // the longest time that a turn may take
}

// Document is a file that travels with the jobs of a run. Nobody can read it who does not know its token.
type Document struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Bytes  int    `json:"bytes"`
	Token  string `json:"token"`
	Parts  int    `json:"parts"`
}

// Divide makes jobs of cells of a plan. The order says what is the same for all of them.
func Divide(run string, plan *dsl.Plan, cells []*dsl.Cell, order Order) []Job {
	paired := plan.Paired()
	at := map[string]int{}
	shared := conditions{}
	var out []Job
	for _, c := range cells {
		group := paired[c.ID]
		i, ok := at[group]
		if !ok {
			i = len(out)
			at[group] = i
			job := Job{Run: run, Order: order, Box: c.Box()}
			job.Order.Servers = nil
			out = append(out, job)
		}
		j := &out[i]
		j.Cells = append(j.Cells, Cell{c.ID, c.Labels})
		if own := shared.of(c); own != nil && !slices.Contains(j.conditions, own) {
			j.conditions = append(j.conditions, own)
		}
		if !slices.Contains(j.Order.Servers, c.Server.Name) {
			j.Order.Servers = append(j.Order.Servers, c.Server.Name)
		}
		j.Order.Longest = max(j.Order.Longest, c.LongestTimeout())
	}
	for i := range out {
		ids := make([]string, len(out[i].Cells))
		for k, c := range out[i].Cells {
			ids[k] = c.ID
		}
		out[i].ID = short(strings.Join(ids, " "))
	}
	return out
}

// Name names a job in messages.
func (j Job) Name() string {
	var of []string
	for _, l := range j.Cells[0].Labels {
		of = append(of, strings.Join(strings.Fields(l.Value), " "))
	}
	name := strings.Join(of, " x ")
	if n := len(j.Cells); n > 1 {
		name = fmt.Sprintf("%s and %d more", name, n-1)
	}
	return name
}

// short is a name of 16 characters for a text.
func short(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

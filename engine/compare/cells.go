package compare

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"homellm/engine/metrics"
)

// counterpart finds the cell of another run or of a baseline to compare the cell with: the one with its id, which a
// changed assertion changes; the only one with its name; or the only one there is, if this side has one cell as well.
func counterpart(in *metrics.Run, id, name string, alone bool) *metrics.Cell {
	if c := in.Cell(id); c != nil {
		return c
	}
	if c := named(in, name); c != nil {
		return c
	}
	if alone && len(in.Cells) == 1 {
		return in.Cells[0]
	}
	return nil
}

// Counterpart is the matching cell of another run; nil: there is none.
func Counterpart(in *metrics.Run, of *metrics.Cell) *metrics.Cell {
	name := of.Name()
	if named(of.Run(), name) == nil {
		name = "" // one of several that all match
	}
	return counterpart(in, of.ID, name, len(of.Run().Cells) == 1)
}

// named is the only cell with a name; nil: there is none, or several.
func named(in *metrics.Run, name string) *metrics.Cell {
	var found *metrics.Cell
	for _, c := range in.Cells {
		switch {
		case c.Name() != name:
		case found != nil:
			return nil
		default:
			found = c
		}
	}
	return found
}

// Runs compares the cells that both runs have. Two runs of one cell each are always compared.
func (r Rules) Runs(old, run *metrics.Run) Comparison {
	var c Comparison
	for _, cell := range run.Cells {
		before := Counterpart(old, cell)
		side := Measured(cell, runName(run))
		if before == nil {
			p := Pair{Cell: cell.Name(), Old: runName(old), New: side.Name, Missing: "the old run has no cell " + cell.Name()}
			c.Pairs = append(c.Pairs, r.absent(p, side, run.Started.Started))
			continue
		}
		c.Pairs = append(c.Pairs, r.Compare(cell.Name(), Measured(before, runName(old)), side, run.Started.Started))
	}
	adjust(c.Pairs)
	return c
}

// Baseline compares the cell of a baseline. ok is false if the run has no such cell.
func (r Rules) Baseline(b *Baseline, path string, run *metrics.Run) (c Comparison, ok bool) {
	cell := counterpart(run, b.Cell, b.Name, true)
	if cell == nil {
		return c, false
	}
	c.Pairs = append(c.Pairs, r.againstBaseline(b, path, cell))
	return c, true
}

// Baselines compares each cell with the file that the rules name for it. A cell without a file is inconclusive if one
// is required.
func (r Rules) Baselines(run *metrics.Run, required bool, read func(path string) (*Baseline, error)) (Comparison,
	error) {
	var c Comparison
	for _, cell := range run.Cells {
		if cell.Planned.Skip != "" {
			continue
		}
		path := r.BaselinePath(cell)
		b, err := read(path)
		if errors.Is(err, fs.ErrNotExist) {
			p := Pair{
				Cell: cell.Name(), New: runName(run), Required: required,
				Missing: fmt.Sprintf("%s has no baseline at %s: homellm baseline record writes one from a passing run", cell.Name(),
					path),
			}
			c.Pairs = append(c.Pairs, r.absent(p, Measured(cell, runName(run)), run.Started.Started))
			continue
		}
		if err != nil {
			return c, err
		}
		c.Pairs = append(c.Pairs, r.againstBaseline(b, path, cell))
	}
	adjust(c.Pairs)
	return c, nil
}

func (r Rules) againstBaseline(b *Baseline, path string, cell *metrics.Cell) Pair {
	old := b.Source(fmt.Sprintf("%s of %s", path, b.Recorded.UTC().Format("2006-01-02 15:04")))
	return r.Compare(cell.Name(), old, Measured(cell, runName(cell.Run())), cell.Run().Started.Started)
}

func runName(r *metrics.Run) string {
	return fmt.Sprintf("run %.8s of %s", r.Started.ID, r.Started.Started.UTC().Format("2006-01-02 15:04"))
}

// BetweenServers are the rules for two servers that are played in turn in one run. Differences in what identifies a
// server are expected.
func (r Rules) BetweenServers() Rules {
	r.InTurn = true
	r.Match = slices.DeleteFunc(slices.Clone(r.Match), func(key string) bool { return strings.HasPrefix(key, "server.") })
	return r
}

// Servers compares the cells of server b with those of server a that are otherwise equal.
func (r Rules) Servers(a, b string, cells []*metrics.Cell) Comparison {
	var c Comparison
	for _, old := range cells {
		if label(old, "server") != a {
			continue
		}
		k := slices.IndexFunc(cells, func(other *metrics.Cell) bool {
			return label(other, "server") == b &&
				alike(old, other)
		})
		if k < 0 {
			c.Pairs = append(c.Pairs, Pair{Cell: old.Name(), Missing: "server " + b + " plays no cell like it", Required: true})
			continue
		}
		now := old.Run().Started.Started
		c.Pairs = append(c.Pairs, r.Compare(a+" -> "+b, Measured(old, old.Name()), Measured(cells[k], cells[k].Name()), now))
	}
	adjust(c.Pairs)
	return c
}

// alike says whether two cells differ only in their servers.
func alike(a, b *metrics.Cell) bool {
	if len(a.Planned.Labels) != len(b.Planned.Labels) {
		return false
	}
	for _, l := range a.Planned.Labels {
		if l.Name != "server" && label(b, l.Name) != l.Value {
			return false
		}
	}
	return true
}

func label(c *metrics.Cell, name string) string {
	for _, l := range c.Planned.Labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// Folder is where the paths of baselines start; empty: the current folder.
func (r Rules) Folder() string { return r.folder }

// BaselinePath is the path of a cell's baseline, relative to the folder of the gates file.
func (r Rules) BaselinePath(c *metrics.Cell) string {
	values := map[string]string{"scenario.name": c.Run().Started.Scenario.Name, "cell": c.Name()}
	for _, l := range c.Planned.Labels {
		if l.Name == "server" || l.Name == "model" {
			values[l.Name+".name"] = l.Value
		}
	}
	if c.Started != nil && values["model.name"] == "" {
		values["model.name"] = c.Started.Server.Model
	}
	return filepath.Join(r.folder, filepath.FromSlash(r.baseline(values)))
}

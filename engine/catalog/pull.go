package catalog

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"homellm/engine/exit"
	"homellm/engine/host"
	"homellm/engine/hub"
)

// Wanted selects the part of an offer to pull; the zero value is what the models file says.
type Wanted struct {
	Revision string   // commit, branch or tag
	Files    []string // only these
}

// spec returns what a pull of that part asks for.
func (w Wanted) spec(o Offer) spec {
	s := o.spec()
	s.revision = cmp.Or(w.Revision, s.revision)
	if len(w.Files) > 0 {
		promised := s.files
		s.files = nil
		for _, path := range w.Files {
			file := hub.File{Path: path}
			if i := slices.IndexFunc(promised, func(p hub.File) bool { return p.Path == path }); i >= 0 {
				file = promised[i]
			}
			s.files = append(s.files, file)
		}
	}
	if w.Revision != "" && w.Revision != o.Source.Revision { // the hashes in the models file are for its own revision
		for i := range s.files {
			s.files[i] = hub.File{Path: s.files[i].Path}
		}
	}
	return s
}

// Online returns an error if the environment forbids using the hub.
func (c *Catalog) Online() error {
	if v := strings.ToLower(c.getenv("HF_HUB_OFFLINE")); v != "" && v != "0" && v != "false" && v != "no" {
		return exit.Errorf(exit.Environment, "unset HF_HUB_OFFLINE", "HF_HUB_OFFLINE says not to ask the hub")
	}
	return nil
}

// Again is the hint for a pull that was interrupted.
const Again = "the same command continues where this one stopped"

// Pull downloads an offer.
func (c *Catalog) Pull(ctx context.Context, o Offer, w Wanted, progress func(hub.Progress)) (hub.Pulled, error) {
	options := hub.PullOptions{Progress: progress, Free: host.FreeDisk}
	pulled, err := c.Cache.Pull(ctx, c.hub, w.spec(o).pull(), options)
	if why, ok := errors.AsType[*exit.Failure](err); ok {
		err = exit.Errorf(exit.Environment, why.Hint, "pulling %s: %w", o, why.Err)
	} else if err != nil {
		err = exit.Errorf(exit.Environment, Again, "pulling %s: %w", o, err)
	}
	return pulled, err
}

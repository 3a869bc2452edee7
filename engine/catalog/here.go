package catalog

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"homellm/engine/exit"
	"homellm/engine/hub"
)

// State says how much of an offer is on this machine.
type State string

// The states of an offer.
const (
	Whole       State = "yes"
	Interrupted State = "interrupted"
	Part        State = "part of it"
	Older       State = "another revision"
	Absent      State = "no"
)

// Stored lists what was downloaded, including what no models file knows.
func (c *Catalog) Stored() ([]hub.Stored, error) {
	stored, err := c.Cache.List()
	if err != nil {
		return nil, exit.Errorf(exit.Environment, "", "reading %s: %w", c.Cache.Dir, err)
	}
	return stored, nil
}

// State says what of an offer is on this machine, and its size. Several offers may share a repository: only the
// offer's own files count.
func (c *Catalog) State(o Offer, here hub.Stored) (State, int64) {
	held := holds(c.Cache, o.spec(), c.Commit(o))
	switch {
	case held.whole():
		return Whole, held.bytes()
	case held.unfinished > 0:
		return Interrupted, held.bytes() + held.unfinished
	case len(held.files) > 0:
		return Part, held.bytes() + held.unfinished
	}
	older := o.spec()
	for i := range older.files {
		older.files[i] = hub.File{Path: older.files[i].Path} // the hashes belong to the revision in the models file
	}
	for _, commit := range here.Commits {
		if other := holds(c.Cache, older, commit); commit != c.Commit(o) && other.whole() {
			return Older, other.bytes()
		}
	}
	return Absent, 0
}

// Verified is the result of checking one downloaded snapshot.
type Verified struct {
	What    string // its offers, or its repository
	Files   []hub.Verified
	Missing []string // files that are missing
}

// Wrong counts the files with wrong content.
func (v Verified) Wrong() (n int) {
	for _, f := range v.Files {
		if f.Wrong != "" {
			n++
		}
	}
	return n
}

// Verify checks the downloads of offers, one snapshot after another, and reports each.
func (c *Catalog) Verify(ctx context.Context, offers []Offer, tell func(Verified)) error {
	stored, err := c.Stored()
	if err != nil {
		return err
	}
	for _, repo := range stored {
		var of []Offer
		for _, o := range offers {
			if o.Source.Repo == repo.Repo {
				of = append(of, o)
			}
		}
		if len(of) == 0 {
			continue
		}
		for _, commit := range repo.Commits {
			one, err := c.verify(ctx, of, repo.Repo, commit)
			if err != nil {
				return err
			}
			tell(one)
		}
	}
	return nil
}

// verify checks the files of one commit of a repository, for the offers that may be in it.
func (c *Catalog) verify(ctx context.Context, of []Offer, repo, commit string) (Verified, error) {
	var whose, missing []string
	var want []hub.File
	for _, o := range of {
		held := holds(c.Cache, o.spec(), commit)
		if len(held.files) == 0 {
			continue
		}
		whose = append(whose, o.String())
		if commit == c.Commit(o) {
			want = append(want, o.spec().files...)
		}
		// A pull of single files, such as a tokeniser, intentionally leaves the rest out.
		if slices.ContainsFunc(held.files, func(f hub.File) bool {
			return f.Path == "config.json" || slices.Contains([]string{".gguf", ".safetensors"}, path.Ext(f.Path))
		}) {
			missing = append(missing, held.missing...)
		}
		if o.Model.Sources == nil { // a repository in no models file may not have one
			missing = slices.DeleteFunc(missing, func(p string) bool { return p == "config.json" })
		}
	}
	out := Verified{What: cmp.Or(strings.Join(whose, ", "), repo)}
	var err error
	if out.Files, err = c.Cache.Verify(ctx, repo, commit, want); err != nil {
		return out, exit.Errorf(exit.Environment, "", "%s: %w", out.What, err)
	}
	for _, f := range out.Files {
		if f.Wrong != "" {
			missing = slices.DeleteFunc(missing, func(p string) bool { return p == f.Path }) // it is present, and wrong
		}
	}
	slices.Sort(missing)
	out.Missing = slices.Compact(missing)
	return out, nil
}

// Remove deletes the downloaded repositories of offers and returns the bytes that were freed; found says whether
// there were any.
func (c *Catalog) Remove(offers []Offer) (freed int64, found bool, err error) {
	stored, err := c.Stored()
	if err != nil {
		return 0, false, err
	}
	removed := map[string]bool{}
	for _, one := range offers {
		if removed[one.Source.Repo] || !slices.ContainsFunc(stored,
			func(x hub.Stored) bool { return x.Repo == one.Source.Repo }) {
			continue
		}
		n, err := c.Cache.Remove(one.Source.Repo)
		if errors.Is(err, hub.ErrBusy) {
			return freed, found, exit.Errorf(exit.Environment, "wait for it, or end it", "deleting %s: %w", one.Source.Repo, err)
		}
		if err != nil {
			return freed, found, exit.Errorf(exit.Environment, "", "deleting %s: %w", one.Source.Repo, err)
		}
		found, removed[one.Source.Repo] = true, true
		freed += n
	}
	return freed, found, nil
}

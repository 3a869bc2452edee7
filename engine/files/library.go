package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"homellm"
	"homellm/dsl"
	"homellm/engine/exit"
	"homellm/engine/model"
	"homellm/engine/prompt"
	"homellm/engine/secret"
)

// Sources are the servers and models files to read in addition to the shipped ones. A scenario's own folder is never
// searched, because a pull request must not be able to start programs.
type Sources struct {
	Own     string   // folder of the user's own files; empty: none
	Models  []string // files that were named
	Servers []string // files that were named
	Compile model.Compiler
}

// Library reads the shipped files, then the user's, then the named ones.
func (l Sources) Library() (*dsl.Library, error) {
	files := slices.Clone(shippedLibrary())
	if l.Own != "" {
		for _, name := range []string{"models.yaml", "servers.yaml"} {
			path := filepath.Join(l.Own, name)
			data, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, exit.Errorf(exit.Environment, "", "reading your own %s: %w", name, err)
			}
			files = append(files, dsl.File{Name: path, Data: data})
		}
	}
	for _, path := range slices.Concat(l.Models, l.Servers) {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, exit.Errorf(exit.Usage, "", "%w", err)
		}
		files = append(files, dsl.File{Name: path, Data: data})
	}
	lib, ds := dsl.LoadLibrary(files...)
	for _, profile := range lib.Servers {
		if profile.Launch != nil {
			secret.AddEnvironment(profile.Launch.Environ(nil))
		}
	}
	if !ds.Errors() {
		ds = append(ds, prompt.NewTemplates(lib, l.Compile).Check()...)
	}
	if ds.Errors() {
		return nil, ds
	}
	return lib, nil
}

// shippedLibrary is parsed once: every command needs it, and --watch and pages again and again.
var shippedLibrary = sync.OnceValue(func() []dsl.File {
	return []dsl.File{dsl.Valid(dsl.File{Name: "models.yaml", Data: homellm.Models}),
		dsl.Valid(dsl.File{Name: "servers.yaml", Data: homellm.Servers})}
})

// ShippedLibrary is the embedded servers and models, which are valid by test.
func ShippedLibrary() *dsl.Library {
	lib, ds := dsl.LoadLibrary(shippedLibrary()...)
	if ds.Errors() {
		return &dsl.Library{}
	}
	return lib
}

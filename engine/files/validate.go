package files

import (
	"io"
	"os"

	"homellm/dsl"
)

// ToValidate are the files that arguments name, whatever they declare; without any, those of this folder or the
// shipped ones.
func ToValidate(args []string, stdin io.Reader) ([]dsl.File, error) {
	var out []dsl.File
	if len(args) > 0 {
		for _, arg := range args {
			info, err := os.Stat(arg)
			if err == nil && info.IsDir() {
				files, err := Walk(arg)
				if err != nil {
					return nil, err
				}
				out = append(out, files...)
				continue
			}
			files, err := one(arg, stdin)
			if err != nil {
				return nil, err
			}
			out = append(out, files...)
		}
		return out, nil
	}
	for _, path := range []string{"models.yaml", "servers.yaml", "gates.yaml"} {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		f, err := Open(path)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	if info, err := os.Stat("scenarios"); err == nil && info.IsDir() {
		files, err := Walk("scenarios")
		return append(out, files...), err
	}
	for _, name := range ShippedNames() {
		if f, ok := Shipped(name); ok {
			out = append(out, f)
		}
	}
	return out, nil
}

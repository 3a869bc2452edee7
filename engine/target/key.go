package target

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"homellm/dsl"
	"homellm/engine/secret"
)

// Key reads a key from the environment or a file; a profile never holds one. From then on the key is masked in all
// output.
func (m Means) Key(k dsl.Secret) (string, error) {
	key, err := m.readKey(k)
	if err != nil {
		return "", err
	}
	if err := secret.Add(key); err != nil {
		return "", err
	}
	return key, nil
}

func (m Means) readKey(k dsl.Secret) (string, error) {
	switch {
	case k.Env != "":
		if v := m.Getenv(k.Env); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("environment variable %s is not set", k.Env)
	case k.File != "":
		data, err := os.ReadFile(k.File)
		if cause, ok := errors.AsType[*fs.PathError](err); ok {
			return "", fmt.Errorf("the file that api_key names: %w", cause.Err) // the path may contain a user's name
		}
		if err != nil {
			return "", err
		}
		return strings.TrimSpace(string(data)), nil
	}
	return "", nil
}

package main

import (
	"regexp"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/exit"
)

// addressFlags name a running server, and where its key is. The key itself is never on a command line, because other
// users of the machine can see those.
type addressFlags struct {
	url     string
	keyEnv  string
	keyFile string
}

func (a *addressFlags) add(c *cobra.Command, what string) {
	f := c.Flags()
	f.StringVar(&a.url, "url", "", what)
	f.StringVar(&a.keyEnv, "api-key-env", "", "name of the environment variable that holds the key of the server at --url")
	f.StringVar(&a.keyFile, "api-key-file", "", "file that holds the key of the server at --url")
	c.MarkFlagsMutuallyExclusive("api-key-env", "api-key-file")
}

// variable is the form of an environment variable's name. A value of another form may be the key itself.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// secret says where the key is.
func (a addressFlags) secret() (dsl.Secret, error) {
	s := dsl.Secret{Env: a.keyEnv, File: a.keyFile}
	switch {
	case s != (dsl.Secret{}) && a.url == "":
		return s, exit.Errorf(exit.Usage, "add --url; a profile says where its key is with api_key: {env: NAME}",
			"--api-key-env and --api-key-file are for the server at --url")
	case s.Env != "" && !variable.MatchString(s.Env):
		return s, exit.Errorf(exit.Usage, "put the key into a variable, such as LLM_KEY, and write --api-key-env LLM_KEY",
			"--api-key-env takes the name of an environment variable, never the key itself")
	}
	return s, nil
}

// key reads the key of the server at the address; empty: there is none.
func (a addressFlags) key(p process) (string, error) {
	s, err := a.secret()
	if err != nil {
		return "", err
	}
	key, err := p.means(true).Key(s)
	if err != nil {
		return "", exit.Errorf(exit.Usage, "say where the key is: --api-key-env NAME, or --api-key-file PATH", "%w", err)
	}
	return key, nil
}

// again lists the flags as the user wrote them, for a command in a hint.
func (a addressFlags) again() []string {
	var out []string
	if a.keyEnv != "" {
		out = append(out, "--api-key-env="+a.keyEnv)
	}
	if a.keyFile != "" {
		out = append(out, "--api-key-file="+a.keyFile)
	}
	return out
}

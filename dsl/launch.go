package dsl

import (
	"strings"
)

// Argv returns the command line of a server: the command, then the flags in the order of the
// file. Values are what the placeholders stand for, by name: port, context_tokens, model.name,
// model.ref, model.file, model.served_name, model.revision.
//
// A flag is written --with-dashes. True gives the flag alone, false nothing, a list the flag and
// every value behind it. A flag whose value is a placeholder without a value is left out, so
// that a model without a pinned revision is started without --revision.
func (l *Launch) Argv(values map[string]string) []string {
	l = l.Expand(values)
	argv := l.Command
	for _, f := range l.Flags {
		name := "--" + strings.ReplaceAll(f.Name, "_", "-")
		switch v := f.Value.(type) {
		case bool:
			if v {
				argv = append(argv, name)
			}
		case []string:
			argv = append(append(argv, name), v...)
		default:
			argv = append(argv, name, format(v))
		}
	}
	return argv
}

// Expand returns the launch with its placeholders replaced. A flag whose value is a placeholder
// without a value is left out.
func (l *Launch) Expand(values map[string]string) *Launch {
	out := &Launch{Pos: l.Pos}
	for _, part := range l.Command {
		out.Command = append(out.Command, expand(part, values))
	}
	for _, f := range l.Env {
		f.Value = expand(format(f.Value), values)
		out.Env = append(out.Env, f)
	}
	for _, f := range l.Flags {
		switch v := f.Value.(type) {
		case []string:
			list := make([]string, len(v))
			for i, item := range v {
				list[i] = expand(item, values)
			}
			f.Value = list
		case string:
			text := expand(v, values)
			if text == "" && v != "" {
				continue
			}
			f.Value = text
		}
		out.Flags = append(out.Flags, f)
	}
	return out
}

// Needs returns the first placeholder of the command line whose name begins so; empty if there
// is none. A flag is left out where its placeholder has no value, a part of the command cannot
// be: flags that are optional (model.revision) are not needed.
func (l *Launch) Needs(prefix string) string {
	texts := append([]string{}, l.Command...)
	for _, f := range l.Flags {
		switch v := f.Value.(type) {
		case string:
			texts = append(texts, v)
		case []string:
			texts = append(texts, v...)
		}
	}
	for _, text := range texts {
		for _, m := range launchForm.FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(m[1], prefix) && m[1] != "model.revision" {
				return m[1]
			}
		}
	}
	return ""
}

// Environ returns the environment variables of a server as NAME=value, in the order of the file.
func (l *Launch) Environ(values map[string]string) []string {
	var env []string
	for _, f := range l.Env {
		env = append(env, f.Name+"="+expand(format(f.Value), values))
	}
	return env
}

// expand replaces the placeholders of a launch. That their names exist was checked at load.
func expand(text string, values map[string]string) string {
	return launchForm.ReplaceAllStringFunc(text, func(m string) string {
		return values[strings.TrimSuffix(strings.TrimPrefix(m, "${"), "}")]
	})
}

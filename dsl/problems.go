package dsl

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"homellm/dsl/syntax"
	"homellm/schema"
)

// checkSchema checks a tree against the schema of its kind. With substituted, it reports only values made by a
// substitution, because the others were checked before.
func checkSchema(root *syntax.Node, kind string, substituted bool) syntax.Diagnostics {
	d := decoder{src: root.Src}
	problems := schema.Validate(kind, root.Plain())
	for i, p := range problems {
		n := root.Locate(p.Path)
		if n == nil || n.Unread || substituted && n.Reference == "" || typo(p, problems) {
			continue
		}
		if p.Rule == "missing-key" {
			if i > 0 && problems[i-1].Rule == p.Rule && slices.Equal(problems[i-1].Path, p.Path) &&
				!typo(problems[i-1], problems) {
				continue // reported together with the first
			}
			p = missingKeys(problems[i:], problems)
		}
		if kind == "scenario" && len(p.Path) == 0 && p.Rule == "unknown-key" &&
			slices.Contains([]string{"servers", "models", "templates"}, p.Key) {
			p.Help = fmt.Sprintf("put it into a separate file, with schema: homellm.%s/v1",
				strings.Replace(p.Key, "templates", "models", 1))
		}
		d.problem(n, p)
	}
	return d.diags
}

// missingKeys reports the missing keys of one mapping together; the first of them is the first problem of rest.
func missingKeys(rest, all []schema.Problem) schema.Problem {
	p := rest[0]
	p.Missing = nil
	for _, o := range rest {
		if o.Rule == p.Rule && slices.Equal(o.Path, p.Path) && !typo(o, all) {
			p.Missing = append(p.Missing, o.Missing...)
		}
	}
	if len(p.Missing) > 1 {
		p.Help = ""
		p.Message = fmt.Sprintf("these keys are missing: %s", strings.Join(p.Missing, ", "))
	}
	return p
}

// typo reports whether a key is missing only because it is misspelt, which is reported already.
func typo(p schema.Problem, all []schema.Problem) bool {
	return len(p.Missing) > 0 && slices.ContainsFunc(all, func(o schema.Problem) bool {
		return o.Rule == "unknown-key" && slices.Equal(o.Path, p.Path) &&
			(syntax.Nearest(o.Key, p.Missing) != "" || slices.Contains(p.Missing, o.Meant))
	})
}

func (d *decoder) problem(n *syntax.Node, p schema.Problem) {
	at := n
	written := n.Text()
	switch {
	case p.Key != "":
		written = p.Key
		if e := n.Find(p.Key); e != nil {
			at = e.At()
		}
	case len(p.Missing) > 0:
		at = firstKey(n)
	}
	help := p.Help
	if near := syntax.Suggest(written, p.Known); near != "" {
		help = near
	} else if p.Meant != "" {
		help = syntax.Meant([]string{p.Meant})
	} else if help == "" && p.Rule == "unknown-key" {
		help = "possible keys: " + strings.Join(p.Known, ", ")
	}
	message := p.Message
	if n.Reference != "" {
		message = fmt.Sprintf("%s (from %s)", message, n.Reference)
	}
	if p.Rule == "type" && len(p.Path) > 0 && p.Path[len(p.Path)-1] == "api_key" {
		help = "write {env: NAME} or {file: PATH}: a key is never written in a file"
		message = "expected a mapping, but this is " + n.Kind.String()
	}
	d.errorf(at, "schema/"+p.Rule, help, "%s", withoutSecret(message))
	last := &d.diags[len(d.diags)-1]
	if n.Kind == syntax.StringKind && strings.Contains(help, "{env: NAME}") {
		last.Source = strings.ReplaceAll(last.Source, n.Text(), stars(n.Text()))
	}
	if n.Kind == syntax.StringKind && len(p.Path) > 0 && p.Path[len(p.Path)-1] == "url" {
		masked := inAddress.ReplaceAllStringFunc(n.Text(), func(m string) string {
			user, ok := strings.CutSuffix(m, "@")
			return stars(user) + map[bool]string{true: "@"}[ok]
		})
		last.Source, last.Message = strings.ReplaceAll(last.Source, n.Text(), masked),
			strings.ReplaceAll(last.Message, n.Text(), masked)
	}
	last.Source = withoutSecret(last.Source)
}

// inAddress matches where the address of a server may hold a key, which is not allowed.
var inAddress = regexp.MustCompile(`[^/\s"'@]*@|[?#%].*`)

func stars(s string) string { return strings.Repeat("*", len([]rune(s))) }

var credentials = regexp.MustCompile(`://[^/\s"'@]*@`)

// misplaced is a key that is written in the file, where only its place should be named.
var misplaced = regexp.MustCompile(`(?i)((?:api_?key|password|secret)["']?\s*:\s*)[^\s{,}][^\n,}]*`)

// withoutSecret masks the user and password of a URL, which must not be in a log, with the same number of characters.
func withoutSecret(s string) string {
	s = misplaced.ReplaceAllStringFunc(s, func(m string) string {
		key := misplaced.FindStringSubmatch(m)[1]
		return key + strings.Repeat("*", len([]rune(m))-len([]rune(key)))
	})
	return credentials.ReplaceAllStringFunc(s, func(m string) string {
		return "://" + strings.Repeat("*", len([]rune(m))-4) + "@"
	})
}

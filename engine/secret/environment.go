package secret

import (
	"net/url"
	"regexp"
	"strings"
)

// sensitive matches the names of variables whose values are secrets.
var sensitive = regexp.MustCompile(`(?i)(^|_)(api_?key|key|token|secret|password|passwd|passphrase|credentials?)(_|$)`)

// AddEnvironment registers the secrets of an environment, which is lines of NAME=value: the values of variables whose
// names say so, and the users and passwords in addresses, such as a proxy's. Short ones are left out, because they
// occur in ordinary text.
func AddEnvironment(env []string) {
	for _, line := range env {
		name, value, _ := strings.Cut(line, "=")
		value = strings.TrimSpace(value)
		if u, err := url.Parse(value); err == nil && u.Host != "" {
			if u.User != nil {
				add(u.User.String())
				if password, ok := u.User.Password(); ok {
					add(password)
				}
			}
			continue
		}
		if sensitive.MatchString(name) && !strings.HasPrefix(value, "/") && strings.Trim(value, "0123456789") != "" {
			add(value)
		}
	}
}

func add(s string) {
	if len(s) >= Least {
		_ = Add(s) // only a short one is rejected
	}
}

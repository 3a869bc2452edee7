package dsl

import (
	"regexp"
	"strings"

	"homellm/dsl/syntax"
)

// devices are the names that Windows keeps for devices in every folder, whatever follows behind a dot.
var devices = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(\.|$)`)

// Reserved says whether no file can have a name on Windows: it is a device, or ends in what is cut off there.
// Names go into names of files and folders, and repositories are shared.
func Reserved(name string) bool {
	return devices.MatchString(name) || strings.TrimRight(name, ". ") != name
}

// nameOfFiles reports a name that cannot be one of a file. The node is where it stands.
func (d *decoder) nameOfFiles(n *syntax.Node, what, name string) {
	if Reserved(name) {
		d.errorf(n, "links/name", "choose another name", "%s cannot be called %q: no file can have that name on Windows",
			what, name)
	}
}

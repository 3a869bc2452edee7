package expr

import (
	"regexp"
	"strconv"
	"strings"
)

// jsonPath is a path to one value of a JSON document: a singular query of RFC 9535.
type jsonPath struct {
	text string
	keys []any // string: a member; int: an element, from the end if it is negative
}

// pathPart matches one part of a path: .name, ['name'], ["name"] or [0].
var pathPart = regexp.MustCompile(`^(?:\.([\pL_][\pL\pN_-]*)|\[(-?(?:0|[1-9][0-9]{0,8}))\]|` +
	`\['([^'\\]*)'\]|\["([^"\\]*)"\])`)

// parseJSONPath reads a path such as $.parts[0].name; false if the text is not a path.
func parseJSONPath(text string) (jsonPath, bool) {
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return jsonPath{}, false
	}
	out := jsonPath{text: text}
	for rest != "" {
		m := pathPart.FindStringSubmatch(rest)
		if m == nil {
			return jsonPath{}, false
		}
		if m[2] != "" {
			i, _ := strconv.Atoi(m[2])
			out.keys = append(out.keys, i)
		} else {
			out.keys = append(out.keys, m[1]+m[3]+m[4])
		}
		rest = rest[len(m[0]):]
	}
	return out, true
}

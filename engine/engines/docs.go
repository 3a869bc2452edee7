package engines

import (
	"cmp"
	"fmt"
	"strings"
)

// Row says what is measured of an engine, in a line of docs/servers.md.
type Row struct {
	Engine   string // empty: its title
	Tokens   string // times and tokens
	Cached   string
	Times    string // the server's own
	Reusable string
	Reset    string
	Salt     string
}

// DocsTable is the table of docs/servers.md.
func DocsTable() string {
	var b strings.Builder
	b.WriteString("| engine | times and tokens | cached tokens | server's own times | reusable tokens | cache reset | salt |\n" +
		"|---|---|---|---|---|---|---|\n")
	for _, e := range All {
		for _, r := range e.Docs {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", cmp.Or(r.Engine, e.Title), r.Tokens, r.Cached, r.Times, r.Reusable, r.Reset, r.Salt)
		}
	}
	return b.String()
}

// SchemaTitle is what the schemas call the name of an engine.
func SchemaTitle() string {
	names := Names()
	last := len(names) - 1
	return "an engine: " + strings.Join(names[:last], ", ") + " or " + names[last]
}

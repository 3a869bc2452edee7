package engines

// Row describes the measurements of an engine in a line of docs/servers.md.
type Row struct {
	Engine   string // empty: its title
	Tokens   string // times and tokens
	Cached   string
	Times    string // the server's own times
	Reusable string
	Reset    string
	Salt     string
}

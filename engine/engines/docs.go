package engines

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

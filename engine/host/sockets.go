package host

// socket is one that listens; its process is 0 if that is not visible.
type socket struct {
	ip  string
	pid int
}

package event

// syncDir does nothing: the file system keeps the names of files by itself.
func syncDir(string) error { return nil }

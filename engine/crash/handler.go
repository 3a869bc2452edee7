package crash

import "net/http"

// Handler ends the process if a handler panics; net/http would print its stack and continue. A handler that aborts
// its connection panics on purpose.
func Handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch value := recover(); value {
			case nil:
			case http.ErrAbortHandler:
				panic(value)
			default:
				Report(value)
			}
		}()
		h.ServeHTTP(w, r)
	})
}

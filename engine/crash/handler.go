package crash

import "net/http"

// Handler ends the process where a handler panics; net/http would print its stack and go on. A handler that cuts its
// connection off panics on purpose.
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

package server

import "strings"

// tiered says whether the counters tell from which of the server's caches the tokens of a prompt came, and are right:
// what they count apart is what was cached in all. Counters of the offloaded part alone say nothing of the rest.
func (d Delta) tiered(cached *int, counters string) bool {
	all, told := d.cached[counters]
	if cached != nil {
		all, told = *cached, true
	}
	_, local := d.Values["cache.local_tokens"]
	sum, parts := 0, 0
	for name, n := range d.Values {
		if strings.HasPrefix(name, "cache.") {
			sum, parts = sum+int(n), parts+1
		}
	}
	return told && parts > 0 && (sum == all || !local && sum < all)
}

package compare

import "testing"

func TestVersionOrder(t *testing.T) {
	for _, c := range []struct {
		older, newer string
		order        int
	}{
		{"0.9.2", "0.10.0", -1}, {"0.6.3", "0.6.3.post1", -1}, {"0.6.3.post1", "0.6.4", -1}, {"0.11", "0.11.1", -1},
		{"1.2.0rc1", "1.2.0", -1}, {"1.2.0-rc.1", "1.2.0-rc.2", -1}, {"1.2.0a9", "1.2.0b1", -1},
		{"0.11.1.dev9+gabc", "0.11.1", -1}, {"b10434-abcdef", "b10488-123456", -1}, {"10434", "b10488", -1},
		{"v0.0.0-20261128101010-abcdefabcdef", "v0.0.0-20261129101010-123456789abc", -1}, {"580.65.06", "580.82.7", -1},
		{"v1.2.3", "1.2.3", 0}, {"0.11", "0.11.0", 0}, {"0.11.0+cpu", "0.11.0", 0}, {"b10488-abcdef", "b10488-123456", 0},
		{"1.02", "1.2", 0},
		{"devel-abcdef123456", "devel-123456abcdef", 0}, {"devel", "1.2.0", 0}, {"1.2", "unknown", 0}, {"", "", 0},
	} {
		if got := versionOrder(c.older, c.newer); got != c.order {
			t.Errorf("%s against %s: %d, want %d", c.older, c.newer, got, c.order)
		}
		if got := versionOrder(c.newer, c.older); got != -c.order {
			t.Errorf("%s against %s: %d, want %d", c.newer, c.older, got, -c.order)
		}
	}
}

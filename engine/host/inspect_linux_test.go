package host

import "testing"

func TestDistribution(t *testing.T) {
	debian := "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n"
	for _, c := range []struct{ release, debian, want string }{
		{debian, "12.11", "debian 12.11"},
		{debian, "", "debian 12"},
		{"NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n", "trixie/sid", "ubuntu 24.04"},
		{"NAME='Fedora Linux'\nID=fedora\nVERSION_ID=42\n", "", "fedora 42"},
		{"ID=arch\nBUILD_ID=rolling\n", "", "arch"},
		{"", "", ""},
	} {
		if got := distributionOf(c.release, c.debian); got != c.want {
			t.Errorf("%q with debian_version %q: %q, want %q", c.release, c.debian, got, c.want)
		}
	}
}

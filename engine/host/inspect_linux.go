package host

import (
	"context"
	"strings"
)

// distribution names the distribution of Linux and its version. gopsutil would start lsb_release for it, a shell script
// of many processes, at the beginning of every run.
func distribution(context.Context) string {
	release := text("/etc/os-release")
	if release == "" {
		release = text("/usr/lib/os-release")
	}
	return distributionOf(release, text("/etc/debian_version"))
}

// distributionOf reads an os-release, in which Debian leaves out its point release.
func distributionOf(release, debian string) string {
	fields := map[string]string{}
	for line := range strings.Lines(release) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		fields[key] = strings.Trim(value, `"'`)
	}
	name, version := fields["ID"], fields["VERSION_ID"]
	if name == "debian" && debian != "" {
		version = debian
	}
	return strings.TrimSpace(name + " " + version)
}

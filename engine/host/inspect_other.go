//go:build !linux

package host

import (
	"context"
	"strings"

	"github.com/shirou/gopsutil/v4/host"
)

// distribution names the operating system as its maker does, and its version.
func distribution(ctx context.Context) string {
	name, _, version, err := host.PlatformInformationWithContext(ctx)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(name + " " + version)
}

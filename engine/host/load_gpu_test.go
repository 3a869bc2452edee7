//go:build gpu

package host

import (
	"context"
	"os/exec"
	"testing"
	"time"
)

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

// loadGPU keeps the GPU busy with matrix products if a Python with torch is there; otherwise the
// load is what the caller brings. The function it returns ends the load.
func loadGPU(t *testing.T) (stop func()) {
	t.Helper()
	const program = "import torch\na = torch.rand(8192, 8192, device='cuda', dtype=torch.float16)\nwhile True:\n a = (a " +
		"@ a).clamp(0, 1)\n torch.cuda.synchronize()\n"
	cmd := exec.CommandContext(t.Context(), "python3", "-c", program)
	if err := cmd.Start(); err != nil {
		t.Logf("no load of its own: %v", err)
		return func() {}
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		t.Logf("no load of its own: python3 with torch: %v", err)
		return func() {}
	case <-time.After(8 * time.Second): // importing torch takes a while
	}
	return func() {
		_ = cmd.Process.Kill() // it runs until it is ended
		<-ended
	}
}

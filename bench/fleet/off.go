//go:build !fleet

package main

import (
	"fmt"
	"os"
)

func main() {
	const how = "bench: run it with the fleet: go run -tags fleet ./bench/fleet"
	fmt.Fprintln(os.Stderr, how) //nolint:forbidigo // a command's own process
	os.Exit(1)                   //nolint:forbidigo // a command's own process
}

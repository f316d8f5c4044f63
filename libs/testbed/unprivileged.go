package testbed

import (
	"fmt"
	"os"
	"syscall"
)

// Unprivileged has the whole process be nobody in particular until back is called, so that a file that its owner may not
// read is one that root, who may run the tests, may not read either. An ordinary user stays who she is.
func Unprivileged() (back func() error, err error) {
	const root, nobody, same = 0, 65534, -1
	if os.Geteuid() != root {
		return func() error { return nil }, nil
	}
	if err := syscall.Setresuid(same, nobody, same); err != nil {
		return nil, fmt.Errorf("root cannot be an ordinary user here: %w", err)
	}
	return func() error { return syscall.Setresuid(same, root, same) }, nil
}

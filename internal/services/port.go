package services

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// ErrPortInUse says that another process listens on the port asked for. The
// error that wraps it names the port.
var ErrPortInUse = errors.New("the port is in use by another process")

// portTries is how often a start picks another free port after losing one
// between looking and listening. Nothing can hold a port for a program that
// opens its own socket, so the race cannot be closed, only repeated.
const portTries = 5

// freePort returns a port on 127.0.0.1 that nobody listened on just now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("pick a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// checkPort returns an error that wraps ErrPortInUse and names the port when
// somebody listens on it.
func checkPort(port int) error {
	l, err := net.Listen("tcp", loopback(port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return portInUse(port)
	}
	if err != nil {
		return fmt.Errorf("listen on port %d: %w", port, err)
	}
	return l.Close()
}

func portInUse(port int) error {
	return fmt.Errorf("127.0.0.1:%d: %w", port, ErrPortInUse)
}

func loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// onPort calls start with the port asked for, or with free ones until start
// does not lose the port to somebody else.
func onPort(asked int, start func(port int) error) error {
	if asked != 0 {
		if err := checkPort(asked); err != nil {
			return err
		}
		return start(asked)
	}
	var err error
	for range portTries {
		var port int
		if port, err = freePort(); err != nil {
			return err
		}
		if err = start(port); !errors.Is(err, ErrPortInUse) {
			return err
		}
	}
	return err
}

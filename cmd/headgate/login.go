package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/headgate/headgate/internal/login"
)

type loginCmd struct {
	Hash loginHashCmd `cmd:"" help:"Hash a password from standard input, for login_users_file."`
}

type loginHashCmd struct{}

// Run prints the hash.
func (c loginHashCmd) Run() error { return c.run(os.Stdin, os.Stdout) }

func (loginHashCmd) run(in io.Reader, out io.Writer) error {
	const most = 1 << 11 // longer than any password that can be hashed
	text, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return err
	}
	// One line end is the terminal's or echo's, not the password's.
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if strings.ContainsAny(password, "\r\n") {
		return errors.New("more than one line: give one password")
	}
	hash, err := login.Hash(password)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, hash)
	return err
}

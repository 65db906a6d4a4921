package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"

	"github.com/headgate/headgate/cmd/internal/gatewayd"
)

// serveGateway runs gatewayd by the constructor of production, with the
// settings that it reads, on the socket that it inherits, until in ends: with
// whoever started it.
func serveGateway(in io.Reader, out io.Writer) error {
	settings := json.NewDecoder(in)
	var c gatewayd.Config
	if err := settings.Decode(&c); err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	file := os.NewFile(inherited, "socket")
	socket, err := net.FileListener(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("inherited socket: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	p, err := gatewayd.New(ctx, c, slog.New(slog.NewJSONHandler(out, nil)))
	if err != nil {
		return err
	}
	defer p.Close()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		stop()
	}()
	return p.Run(ctx, socket)
}

// inherited is the first file that a process has of its parent beside the
// standard ones.
const inherited = 3

// gatewayProcess is a gateway in a process of its own.
type gatewayProcess struct {
	ctx     context.Context // ends the process; kept to tell why it ended
	cmd     *exec.Cmd
	in      io.Closer
	address string
}

// startGateway starts one that logs to a file. Its socket is open when this
// returns, and connections wait there until it is ready. It lives until close
// or until ctx ends.
func startGateway(ctx context.Context, c gatewayd.Config, log *os.File) (*gatewayProcess, error) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start gateway: %w", err)
	}
	defer socket.Close() //nolint:errcheck // the child has its own
	file, err := socket.(*net.TCPListener).File()
	if err != nil {
		return nil, fmt.Errorf("start gateway: %w", err)
	}
	defer file.Close() //nolint:errcheck // the child has its own
	cmd, err := child(ctx, partGateway)
	if err != nil {
		return nil, fmt.Errorf("start gateway: %w", err)
	}
	cmd.Stdout, cmd.ExtraFiles = log, []*os.File{file}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start gateway: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start gateway: %w", err)
	}
	g := &gatewayProcess{ctx: ctx, cmd: cmd, in: in, address: socket.Addr().String()}
	if err := json.NewEncoder(in).Encode(c); err != nil {
		return nil, errors.Join(fmt.Errorf("start gateway: %w", err), g.close())
	}
	return g, nil
}

// close ends the process in order and waits for it.
func (g *gatewayProcess) close() error {
	err := errors.Join(g.in.Close(), g.cmd.Wait())
	if g.ctx.Err() != nil {
		return nil // ended because the run was
	}
	return err
}

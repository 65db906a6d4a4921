// Command gatewayd is Headgate's resource gateway: it enforces a consumer's
// grant on every account and transaction fetch.
package main

import (
	"github.com/headgate/headgate/cmd/internal/config"
	"github.com/headgate/headgate/cmd/internal/gatewayd"
)

func main() { config.Main("gatewayd", gatewayd.EnvPrefix, gatewayd.Serve) }

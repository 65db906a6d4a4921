// Command authzd is Headgate's authorization server: it takes pushed
// requests, lets consumers decide, and issues scoped, expiring grants.
package main

import (
	"github.com/headgate/headgate/cmd/internal/authzd"
	"github.com/headgate/headgate/cmd/internal/config"
)

func main() { config.Main("authzd", authzd.EnvPrefix, authzd.Serve) }

// Package services launches a private PostgreSQL cluster and a private Redis
// for development, demonstrations and tests, from binaries that are already
// on the machine.
//
// It owns finding the binaries, the state folder, the child processes and
// their end. It must not know SQL, the schema or any Redis key: callers get a
// DSN and a URL and bring their own client. Production never links it; there,
// addresses come from the configuration.
//
// Every server listens on a private Unix socket or on 127.0.0.1 with a
// generated password. On Linux none outlives the process that started it,
// whatever ended that process (prctl(2) PR_SET_PDEATHSIG). Elsewhere a crash
// leaves PostgreSQL running until the next start on the same folder, and Redis
// until somebody stops it. The package runs on Unix systems only.
package services

package service

import (
	"fmt"
	"io"
)

// usage is what every reader and writer is told by: environment and files only.
const usage = `%[1]s %[2]s for every tenant that has it, until it is told to stop
(SIGINT or SIGTERM).

Usage:
  %[1]s [--help]

Environment:
  ESS_NATS_URL     address of NATS, such as nats://nats:4222 (required, or ESS_LINE_URL)
  ESS_CONFIG       folder with a YAML document for each tenant, or nats: for those that were applied (required);
                   a change acts without a restart
  ESS_NATS_CREDS   file:PATH or env:NAME of a credentials file; none without it
  ESS_LINE_URL     at a customer's, in place of ESS_NATS_URL: tls://host:7422 of the central NATS, with user and
                   password before the host or with ESS_NATS_CREDS
  ESS_LINE_CA      file with who signed its certificate; default the authorities of the system
  ESS_TENANT       at a customer's: whose site it is
  ESS_HTTP         address of /healthz, /readyz and /metrics; default :8080, and
                   127.0.0.1:8080 at a customer's
  ESS_INSTANCE     name of this process in ledgers; default host name and process id
  ESS_READ_NOW     true: read every source once at the start too
  ESS_LOG_LEVEL    debug, info, warn or error; default info
  ESS_LOG_FORMAT   json or text; default json
  OTEL_EXPORTER_OTLP_ENDPOINT   where traces are sent; nowhere without it

Exit status: 0 when it was told to stop, 1 after an error, 2 for a wrong command line.
`

// help answers the command line of a reader or writer. It returns false where there is nothing to answer.
func help(name, does string, args []string, stdout, stderr io.Writer) (status int, answered bool) {
	if len(args) == 0 {
		return 0, false
	}
	if len(args) == 1 && (args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
		fmt.Fprintf(stdout, usage, name, does)
		return 0, true
	}
	fmt.Fprintf(stderr, "%s takes no arguments but --help: it is told by its environment\n", name)
	return 2, true
}

module eventful.se/ess/services

go 1.26.0

require (
	eventful.se/ess/libs v0.0.0
	eventful.se/ess/proto v0.0.0
)

require (
	github.com/goccy/go-yaml v1.18.0 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/spf13/cobra v1.10.2 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
	golang.org/x/text v0.43.0 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)

replace (
	eventful.se/ess/libs => ../libs
	eventful.se/ess/proto => ../proto
)

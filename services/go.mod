module eventful.se/ess/services

go 1.26.0

require (
	eventful.se/ess/libs v0.0.0
	eventful.se/ess/proto v0.0.0
)

replace (
	eventful.se/ess/libs => ../libs
	eventful.se/ess/proto => ../proto
)

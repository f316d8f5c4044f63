module eventful.se/ess/libs

go 1.26.0

require eventful.se/ess/proto v0.0.0

replace eventful.se/ess/proto => ../proto

module eventful.se/ess/scripts/tools

go 1.26.0

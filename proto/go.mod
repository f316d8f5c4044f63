module eventful.se/ess/proto

go 1.26.0

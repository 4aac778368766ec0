module precision

go 1.26

module honest

go 1.26
